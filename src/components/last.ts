/** The inputs that a project's parts were made from last time: what `--explain` compares with. */
import { hash } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { differences, type Inputs } from './inputs.ts'

const schema = z.object({ values: z.record(z.string(), z.string()), files: z.record(z.string(), z.string()) })

export interface LastInputs {
  /** Why a part is made: what is different from last time, or that there was none. */
  reasons(name: string, now: Inputs): Promise<readonly string[]>
  remember(name: string, now: Inputs): Promise<void>
}

/** Records live in `folder`, by project and part. A record that cannot be read counts as none: it decides nothing. */
export function lastInputs(folder: string, projectDir: string): LastInputs {
  const home = join(folder, hash('sha256', projectDir).slice(0, 16))
  const file = (name: string): string => join(home, `${name}.json`)
  return {
    async reasons(name, now) {
      const text = await readFile(file(name), 'utf8').catch(() => undefined)
      const before = text === undefined ? undefined : schema.safeParse(json(text)).data
      if (!before) return ['first build here']
      const found = differences(before, now)
      return found.length > 0 ? found : ['no longer kept']
    },
    async remember(name, now) {
      const temp = `${file(name)}.${process.pid}`
      try {
        await mkdir(home, { recursive: true })
        await writeFile(temp, JSON.stringify(now))
        await rename(temp, file(name))
      } catch {
        // It only serves to explain.
        await rm(temp, { force: true }).catch(() => undefined)
      }
    },
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
