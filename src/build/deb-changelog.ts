/** The changelog of a package, from the project's own. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Project } from '../config/load.ts'
import type { ChangelogEntry } from '../deb/changelog.ts'
import { debVersion } from '../deb/version.ts'
import { ShipError } from '../errors.ts'
import { compareVersions, type Version } from '../version.ts'
import { releaseNotes } from './changelog.ts'
import { namedText } from './deb-files.ts'

export interface ChangelogRequest {
  readonly project: Project
  readonly projectDir: string
  readonly version: Version
  readonly epoch: number
  /** What the changelog says of the version, when it was asked for. */
  readonly notes: string | undefined
}

/** The version that is built, then the older ones that dpkg can sort. */
export async function changelogOf(request: ChangelogRequest): Promise<readonly ChangelogEntry[]> {
  const { project, projectDir, version, epoch, notes } = request
  const { revision, epoch: debEpoch, keepMetadata } = project.config.deb
  const sections = releaseNotes(await changelogFile(request, projectDir))
  const own = sections.find((s) => s.version === version)
  const mapped = (v: Version): string => debVersion(v, { revision, epoch: debEpoch, keepMetadata })
  const newest = { version: mapped(version), time: timeOf(own?.date) ?? epoch, text: notes ?? own?.text ?? '' }
  const older = sections.flatMap((section): ChangelogEntry[] => {
    const time = timeOf(section.date)
    if (time === undefined || compareVersions(section.version, version) >= 0) return []
    try {
      return [{ version: mapped(section.version), time, text: section.text }]
    } catch (error) {
      // A version of before there were packages: nothing compares it.
      if (error instanceof ShipError) return []
      throw error
    }
  })
  return [newest, ...older]
}

async function changelogFile({ project }: ChangelogRequest, dir: string): Promise<string> {
  const { deb, changelog } = project.config
  if (deb.changelog === false) return ''
  if (deb.changelog !== undefined) return namedText(dir, 'deb.changelog', deb.changelog)
  const file = join(dir, typeof changelog === 'string' ? changelog : 'CHANGELOG.md')
  return existsSync(file) ? readFile(file, 'utf8') : ''
}

/** Seconds since 1970 of a day. */
function timeOf(date: string | undefined): number | undefined {
  const time = date === undefined ? Number.NaN : Date.parse(`${date}T00:00:00Z`)
  return Number.isNaN(time) ? undefined : time / 1000
}
