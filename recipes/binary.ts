/**
 * Programs that are one file. Each of `build.bin` is a prebuilt program of the sources, checked for the platform, or a folder that holds a
 * Go package, which is built. With a go.mod and no `build.bin` the module's own program gets the app's name.
 */
import { existsSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { defineRecipe, goBuild, goComponents, placeBinary, ShipError, type RecipeContext } from '../src/index.ts'

export default defineRecipe({
  name: 'binary',
  summary: 'prebuilt programs, or those of a Go module',
  platform: 'native',
  tools: (context) => (goPackages(context).length > 0 ? ['go'] : []),
  cache: true,
  async components(step) {
    const programs = goPackages(step.context).map(([name]) => join(step.out, 'bin', name))
    return (await Promise.all(programs.map((program) => goComponents(step, program)))).flat()
  },
  async build(step) {
    const all = programsOf(step.context)
    if (all.length === 0) {
      throw new ShipError('build', 'no program is named, and the sources have no go.mod', {
        state: 'nothing was written to dist/',
        next: [`name the programs and their files: build: { bin: { "${step.context.app}": "path/of/the/program" } }`],
      })
    }
    const built = new Set(goPackages(step.context).map(([name]) => name))
    for (const [name, from] of all) {
      await (built.has(name) ? goBuild(step, name, from) : placeBinary(step, name, from))
      if (step.context.layout === 'omnibus') await step.bin(name, { run: [join('app/bin', name)] })
    }
  },
})

function programsOf({ app, bin, sources }: RecipeContext): readonly (readonly [string, string])[] {
  const named = Object.entries(bin)
  return named.length === 0 && existsSync(join(sources, 'go.mod')) ? [[app, '.']] : named
}

/** Folders are Go packages. */
function goPackages(context: RecipeContext): readonly (readonly [string, string])[] {
  if (!existsSync(join(context.sources, 'go.mod'))) return []
  return programsOf(context).filter(([, from]) => {
    const place = join(context.sources, from)
    return existsSync(place) && lstatSync(place).isDirectory()
  })
}
