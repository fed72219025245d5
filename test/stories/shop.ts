/**
 * A small project to release, for stories: sources, a configuration, and what its hosts say. The app is a script that answers with
 * its version, so that a story can ask over HTTP what runs.
 */
import { readlinkSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Shop {
  readonly dir: string
  /** Writes sources of a version: every file differs between versions, so that a mixture would show. */
  write(version: string, more?: Readonly<Record<string, string>>): Promise<void>
  configure(config: unknown): Promise<void>
}

/** Number of files whose content names the version. */
export const PAGES = 12

export async function makeShop(dir: string): Promise<Shop> {
  await mkdir(join(dir, 'app'), { recursive: true })
  return {
    dir,
    async write(version, more = {}) {
      await writeFile(
        join(dir, 'package.json'),
        `${JSON.stringify({ name: 'shop', version, private: true }, null, 2)}\n`,
      )
      await writeFile(join(dir, 'app', 'VERSION'), `${version}\n`)
      for (let page = 0; page < PAGES; page++) {
        await writeFile(join(dir, 'app', `page ${page}.txt`), `${version} page ${page}\n`.repeat(50))
      }
      await writeFile(join(dir, 'app', 'run'), '#!/bin/sh\ncat "$(dirname "$0")/VERSION"\n')
      await chmod(join(dir, 'app', 'run'), 0o755)
      for (const [path, content] of Object.entries(more)) await writeFile(join(dir, 'app', path), content)
    },
    async configure(config) {
      await writeFile(join(dir, 'ship.config.json'), `${JSON.stringify(config, null, 2)}\n`)
    },
  }
}

/** What a host runs: the version that `current` names, and whether every file of it is of that version. */
export async function runs(deployTo: string): Promise<{ link: string; version: string; whole: boolean }> {
  const link = readlinkSync(join(deployTo, 'current'))
  const version = (await readFile(join(deployTo, 'current', 'VERSION'), 'utf8')).trim()
  const pages = await Promise.all(
    Array.from({ length: PAGES }, (_, page) => readFile(join(deployTo, 'current', `page ${page}.txt`), 'utf8')),
  )
  const whole = pages.every((text, page) => text === `${version} page ${page}\n`.repeat(50))
  return { link, version, whole }
}

/** Names left in a folder of `.ship` that a finished run must have emptied. */
export async function leftovers(deployTo: string): Promise<string[]> {
  const left: string[] = []
  for (const name of await readdir(join(deployTo, '.ship'))) {
    if (name === 'lock' || name.startsWith('lock.')) left.push(name)
    if (['incoming', 'trash'].includes(name)) {
      left.push(...(await readdir(join(deployTo, '.ship', name))).map((entry) => `${name}/${entry}`))
    }
  }
  return left
}
