/** Changes to files of the user's: each file appears whole, by a rename, and can be put back. */
import { randomBytes } from 'node:crypto'
import { chmod, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { messageOf, ShipError } from '../errors.ts'

export interface Edit {
  /** Absolute path. */
  readonly file: string
  readonly before: string
  readonly after: string
}

/** Files that were changed, and the way back. */
export interface Edited {
  readonly files: readonly string[]
  /** Puts back every file that still is as it was written. Resolves with those that somebody changed since; they stay. */
  undo(): Promise<readonly string[]>
}

/** Writes all files or none. */
export async function applyEdits(edits: readonly Edit[]): Promise<Edited> {
  const done: Edit[] = []
  const undo = async (): Promise<readonly string[]> => {
    const left: string[] = []
    for (const { file, before, after } of done.splice(0).toReversed()) {
      if ((await readFile(file, 'utf8').catch(() => undefined)) === after) await writeByRename(file, before)
      else left.push(file)
    }
    return left
  }
  try {
    for (const edit of edits) {
      await writeByRename(edit.file, edit.after).catch((cause: unknown) => {
        throw new ShipError('build', `"${basename(edit.file)}" cannot be written`, {
          cause,
          details: [messageOf(cause)],
        })
      })
      done.push(edit)
    }
  } catch (error) {
    await undo()
    throw error
  }
  return { files: done.map((e) => e.file), undo }
}

/** A link stays a link: what it leads to is written. */
async function writeByRename(file: string, text: string): Promise<void> {
  const place = await realpath(file)
  const { mode } = await stat(place)
  const temp = `${place}.ship-${randomBytes(4).toString('hex')}`
  try {
    await writeFile(temp, text, { flush: true, flag: 'wx' })
    await chmod(temp, mode & 0o7777)
    await rename(temp, place)
  } catch (error) {
    await rm(temp, { force: true })
    throw error
  }
}
