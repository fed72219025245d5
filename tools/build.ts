/** Compiles the published package into dist/: `src` and `recipes` as JavaScript with types, and the host scripts as they are. */
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
rmSync(join(root, 'dist'), { recursive: true, force: true })
const compiled = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
})
if (compiled.status !== 0) process.exit(compiled.status ?? 1)
for (const script of globSync('src/**/*.sh', { cwd: root })) {
  cpSync(join(root, script), join(root, 'dist', script))
}
