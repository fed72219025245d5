/** Debian's names of processors, and where node's differ. */
import { ShipError } from '../errors.ts'

/** `process.arch` of Node -> Debian. 32-bit arm is taken for the hard-float port, as there is no Node for another. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'armhf',
  ia32: 'i386',
  ppc64: 'ppc64el',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  mips64el: 'mips64el',
}

/** Debian's name for the platform of a manifest. Throws (reason `config`) for one that has none. */
export function debArchitecture(platform: string): string {
  if (platform === 'any') return 'all'
  const [os, cpu = ''] = platform.split('-')
  const found = os === 'linux' ? ARCHITECTURES[cpu] : undefined
  if (found !== undefined) return found
  throw new ShipError('config', `there is no Debian architecture for "${platform}"`, {
    next: ['build on Linux, or name it with deb.architecture'],
  })
}
