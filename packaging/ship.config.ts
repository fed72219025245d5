/**
 * Ship builds itself: a Debian package with the Node runtime in it, for machines that have none. From the root of the repository:
 * npm run build && npx ship build --cwd packaging
 */
import { readFileSync } from 'node:fs'
import { chmod, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { defineConfig, defineRecipe, forgetNotes, npmComponents, npmInstall } from 'slipway'

const root = join(import.meta.dirname, '..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

const self = defineRecipe({
  name: 'self',
  summary: 'what npm run build made, with the packages that it needs and the Node runtime',
  platform: () => Promise.resolve('native'),
  dependencies: () => ['node'],
  tools: ['node', 'npm'],
  components: (step) => npmComponents(step),
  async build(step) {
    await step.copy()
    await npmInstall(step, step.out)
    await forgetNotes(step.out)
    // Its tests, with keys of their own, and sources of an add-on that is not compiled.
    for (const folder of ['test', 'examples', 'lib/protocol/crypto'])
      await rm(join(step.out, 'node_modules/ssh2', folder), { recursive: true, force: true })
    await chmod(join(step.out, 'node_modules/wrap-ansi/index.js'), 0o644)
    // It is started by the Node that comes along, and by no other.
    const program = await readFile(join(step.out, 'bin/ship.js'), 'utf8')
    await rm(join(step.out, 'bin/ship.js'))
    await step.write('bin/ship.js', program.replace(/^#!.*\n/, ''))
    await step.bin('ship', { run: ['embedded/bin/node', 'app/bin/ship.js'] })
  },
})

export default defineConfig({
  name: 'slipway',
  version,
  build: {
    from: '..',
    recipe: self,
    layout: 'omnibus',
    include: ['bin', 'dist', 'fixtures/node-app', 'package.json', 'package-lock.json', 'LICENSE', 'CHANGELOG.md'],
    // A key that it only tries out, to see what this Node can do.
    allow: ['app/dist/ssh2-*.js', 'app/node_modules/ssh2/lib/protocol/constants.js'],
    formats: ['deb'],
  },
  deb: {
    maintainer: 'slipway <slipway@example.org>',
    description: [
      'versioned releases over SSH, switched atomically',
      'Builds a versioned, reproducible bundle, sends it to hosts over SSH,',
      'switches to it atomically, checks it, and takes it back when it is not',
      'healthy. Hosts need a shell, or nothing but SFTP.',
    ].join('\n'),
    section: 'utils',
    license: 'MIT',
    lintianOverrides: [
      // Whole and alike everywhere: that is what the package is for.
      'embedded-javascript-library *',
      // As the makers of Node build it.
      'hardening-no-pie *',
    ],
    links: { '/usr/bin/ship': '/opt/slipway/current/bin/ship' },
  },
})
