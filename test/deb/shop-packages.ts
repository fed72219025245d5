/** Packages built by the command line in a small project, and what dpkg's own tools say of them. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from 'vitest'
import { smallProject, type SmallProject } from '../support/project.ts'

/** What a package must have, and nothing more. */
export const LEAST = { maintainer: 'Shop <ops@shop.example.org>', description: 'sells things to people' }

/** Skipped, and said so, where a program is missing. */
export function describeWith(programs: readonly string[], name: string, tests: () => void): void {
  const missing = programs.filter((p) => !['/usr/bin', '/usr/sbin', '/bin'].some((dir) => existsSync(join(dir, p))))
  describe.skipIf(missing.length > 0)(
    missing.length === 0 ? name : `${name} (skipped without ${missing.join(', ')})`,
    tests,
  )
}

export interface PackageProject extends SmallProject {
  /** Folder of the app's sources; all else in the project is not in the tree. */
  readonly app: string
  /** Writes files of the app. */
  writeApp(files: Readonly<Record<string, string>>): void
  /** Builds with `deb` settings beside the least ones; resolves with the absolute paths of all packages. */
  debs(deb?: Readonly<Record<string, unknown>>, more?: Readonly<Record<string, unknown>>): Promise<readonly string[]>
  /** The same for one package. */
  deb(deb?: Readonly<Record<string, unknown>>, more?: Readonly<Record<string, unknown>>): Promise<string>
  /** Builds, expects exit code 2 (or another), and resolves with what was said. */
  refused(
    deb: Readonly<Record<string, unknown>>,
    more?: Readonly<Record<string, unknown>>,
    code?: number,
  ): Promise<string>
}

/** `below`: folder for it, instead of the one for temporary files. */
export function packageProject(below?: string): PackageProject {
  const project = smallProject(below)
  const configure = (deb: Readonly<Record<string, unknown>>, more: Readonly<Record<string, unknown>>): void => {
    const { build, ...rest } = more
    project.configure({
      build: { from: 'app', formats: ['deb'], ...(build as object) },
      deb: { ...LEAST, ...deb },
      ...rest,
    })
  }
  const debs: PackageProject['debs'] = async (deb = {}, more = {}) => {
    configure(deb, more)
    const { artifacts } = (await project.data('build')) as { artifacts: { file: string; kind: string }[] }
    return artifacts.filter((a) => a.kind === 'deb').map((a) => join(project.dir, 'dist', a.file))
  }
  const app = join(project.dir, 'app')
  mkdirSync(app)
  return {
    ...project,
    app,
    writeApp: (files) =>
      project.write(Object.fromEntries(Object.entries(files).map(([path, content]) => [join('app', path), content]))),
    debs,
    async deb(deb, more) {
      // Those of earlier revisions stay, before the new one.
      const one = (await debs(deb, more)).at(-1)
      if (one === undefined) throw new Error('the build has no package')
      return one
    },
    async refused(deb, more = {}, code = 2) {
      configure(deb, more)
      return (await project.ship('build', code)).stderr
    },
  }
}

/** Output of a program. */
export function output(...argv: readonly [string, ...string[]]): string {
  const [program, ...args] = argv
  return execFileSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 256 * 1024 * 1024 }).toString()
}

/** One field of a package, as dpkg reads it; empty without it. */
export function field(deb: string, name: string): string {
  return output('dpkg-deb', '-f', deb, name).trim()
}

/** A file of the control archive. */
export function controlFile(deb: string, name: string): string {
  return output('dpkg-deb', '-I', deb, name)
}

/** A file that the package installs, by its path without a leading slash. */
export function installedText(deb: string, path: string): string {
  const bytes = output('sh', '-c', 'dpkg-deb --fsys-tarfile "$1" | tar -xOf - "./$2"', 'sh', deb, path)
  return bytes
}

/** Everything that is installed: type and mode, owner, path, as tar lists it. */
export function listing(deb: string): readonly string[] {
  const text = output('sh', '-c', 'dpkg-deb --fsys-tarfile "$1" | TZ=UTC tar --quoting-style=literal -tvf -', 'sh', deb)
  return text.trimEnd().split('\n')
}
