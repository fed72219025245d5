/**
 * Hosts that get packages: real sshd whose users are locked into Debian roots of their own, with their own dpkg and apt. sshd does that
 * only in folders that are root's all the way down, which /tmp is not.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { debianRoot, type DebianRoot } from './debian-root.ts'
import { startFleet, type Fleet } from './fleet.ts'

const BASE = '/run'
/** In memory: dpkg and ship bring all they write to the disk, which others keep busy. */
const ROOM = 'size=1g,mode=0755'

export interface DebianHosts {
  readonly fleet: Fleet
  readonly roots: readonly DebianRoot[]
  dispose(): Promise<void>
}

export async function startDebianHosts(size: number): Promise<DebianHosts> {
  const roots: DebianRoot[] = []
  const below = mkdtempSync(join(BASE, 'ship-debian-hosts-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', ROOM, 'tmpfs', below])
  const dispose = async (fleet?: Fleet): Promise<void> => {
    await fleet?.dispose()
    for (const { path } of roots) execFileSync('umount', ['-l', join(path, 'proc')])
    await Promise.all(roots.map((root) => root.dispose()))
    execFileSync('umount', ['-l', below])
    rmdirSync(below)
  }
  try {
    for (let index = 0; index < size; index++) {
      const root = debianRoot(below)
      execFileSync('mount', ['-t', 'proc', 'proc', join(root.path, 'proc')])
      roots.push(root)
      offline(root)
    }
    const fleet = await startFleet(size, { config: (index) => [`ChrootDirectory ${roots[index]?.path ?? ''}`] })
    return { fleet, roots, dispose: () => dispose(fleet) }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** apt knows one place: a folder of the root, to which tests add packages. */
function offline({ path }: DebianRoot): void {
  mkdirSync(join(path, 'repo'), { recursive: true })
  writeFileSync(join(path, 'repo/Packages'), '')
  execFileSync('sh', ['-c', 'rm -rf "$1"/etc/apt/sources.list.d/*', 'sh', path])
  writeFileSync(join(path, 'etc/apt/sources.list'), 'deb [trusted=yes] file:/repo ./\n')
}

/** Adds a package of nothing but its name to what apt knows in a root. */
export async function offer(root: DebianRoot, name: string, version: string): Promise<void> {
  const stage = join(root.path, 'repo', name)
  mkdirSync(join(stage, 'DEBIAN'), { recursive: true })
  const control = {
    Package: name,
    Version: version,
    Architecture: 'all',
    Maintainer: 'T <t@example.org>',
    Description: 'words',
  }
  const text = Object.entries(control).map(([key, value]) => `${key}: ${value}\n`)
  writeFileSync(join(stage, 'DEBIAN/control'), text.join(''))
  const file = join(root.path, `repo/${name}.deb`)
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', stage, file], { stdio: 'ignore' })
  const [size, sum] = [readFileSync(file).length, execFileSync('sha256sum', [file]).toString().slice(0, 64)]
  writeFileSync(
    join(root.path, 'repo/Packages'),
    `${text.join('')}Filename: ./${name}.deb\nSize: ${size}\nSHA256: ${sum}\n\n`,
    { flag: 'a' },
  )
  const { code, stderr } = await root.run(['apt-get', 'update', '-q'])
  if (code !== 0) throw new Error(`apt-get update failed: ${stderr}`)
}
