/**
 * nginx, compiled from Debian's source against the embedded zlib. It serves files and proxies; regular expressions and TLS are left out,
 * for they need libraries of their own. Start it with a prefix and a configuration: it knows no place of its own.
 */
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { compilerEnv, defineRecipe, stripTree } from '../src/index.ts'

export default defineRecipe({
  name: 'nginx',
  summary: 'the web server',
  license: 'BSD-2-Clause',
  licenseFiles: ['debian/copyright'],
  sources: { nginx: { aptSource: 'nginx' } },
  dependencies: ['zlib'],
  tools: ['cc', 'make', 'ld'],
  async build(step) {
    const cwd = step.source()
    const { CFLAGS = '', CPPFLAGS: _includes, LDFLAGS = '', ...env } = compilerEnv(step)
    // What configure is told stands in the program (`nginx -V`): folders of this machine go by the compiler's own variables.
    const places = { CPATH: join(step.embedded, 'include'), LIBRARY_PATH: join(step.embedded, 'lib') }
    const linker = LDFLAGS.split(' ').filter((flag) => !flag.startsWith('-L'))
    const paths = [
      '--prefix=.',
      '--conf-path=nginx.conf',
      '--error-log-path=stderr',
      '--http-log-path=access.log',
      '--pid-path=nginx.pid',
    ]
    const modules = [
      '--with-threads',
      '--with-http_gzip_static_module',
      '--with-http_stub_status_module',
      '--with-http_realip_module',
    ]
    const without = ['--without-pcre', '--without-http_rewrite_module']
    const told = [...paths, ...modules, ...without, `--with-ld-opt=${linker.join(' ')}`]
    await step.run(['./configure', ...told], { cwd, env: { ...env, ...places, CFLAGS } })
    await step.run(['make'], { cwd, env: { ...env, ...places } })
    await mkdir(join(step.out, 'bin'), { recursive: true })
    await cp(join(cwd, 'objs/nginx'), join(step.out, 'bin/nginx'))
    await cp(join(cwd, 'conf/mime.types'), join(step.out, 'share/nginx/mime.types'))
    await stripTree(step)
  },
})
