/** Python, from Debian's packages: interpreter, standard library, and the libraries that its modules need. */
import { readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { debianComponents, defineRecipe, embedPackages, ShipError, type BuildStep } from '../src/index.ts'

/** Of use to systems, developers and desktops; `nis` alone would bring Kerberos along. */
const LEFT_OUT =
  /^(?:share(?:\/|$)|bin\/(?!python3\.\d+$)|lib\/(?:systemd|tmpfiles\.d|binfmt\.d|valgrind|python3)(?:\/|$))|\/(?:test|sitecustomize\.py|nis\.cpython[^/]*|EXTERNALLY-MANAGED|__pycache__|pydoc_data|lib2to3\/tests)$/
const NOT_NEEDED =
  'libnsl2 libtirpc3 libtirpc-common libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkeyutils1 libkrb5support0 libcom-err2 libselinux1 libpcre2-8-0 libacl1 libmd0 libzstd1 readline-common'

export default defineRecipe({
  name: 'python',
  summary: 'the Python interpreter',
  license: 'PSF-2.0',
  sources: ({ wanted }) => ({
    python: {
      apt: [wanted === undefined ? 'python3' : `python${wanted}`],
      dependencies: true,
      except: NOT_NEEDED.split(' '),
    },
    patchelf: { apt: ['patchelf'], buildOnly: true },
  }),
  components: (step) => debianComponents(step, 'python'),
  async build(step) {
    await embedPackages(step, 'python', { patchelf: 'patchelf', takes: (path) => !LEFT_OUT.test(path) })
    const version = await versionOf(step)
    for (const name of ['python3', 'python']) await symlink(version, join(step.out, 'bin', name))
    await compile(step, version)
  },
})

/** `python3.11`: the program's name, and that of its library folder. */
async function versionOf(step: BuildStep): Promise<string> {
  const found = (await readdir(join(step.out, 'bin'))).find((name) => /^python3\.\d+$/.test(name))
  if (found !== undefined) return found
  throw new ShipError('build', 'the Debian packages have no interpreter', {
    next: ['ask for a version that the distribution has: build.components: { "python": "3.11" }'],
  })
}

/**
 * Compiled modules start faster, and keep the interpreter from writing its own on the host. They name no time, and their source by its
 * place in the tree.
 */
async function compile(step: BuildStep, version: string): Promise<void> {
  const python = join(step.out, 'bin', version)
  const options = ['-q', '-f', '-j1', '--invalidation-mode', 'unchecked-hash', '-s', step.out, '-p', 'embedded']
  await step.run([python, '-I', '-B', '-m', 'compileall', ...options, join(step.out, 'lib', version)], {
    env: { PYTHONHASHSEED: '0' },
  })
}
