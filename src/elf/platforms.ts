/**
 * Prebuilt modules for other platforms: packages bring one file for each and load the one that fits. A path says for which one it is
 * by the folders of prebuildify (`prebuilds/linux-arm64/`), or by the names of napi-rs, esbuild and others (`sharp-linuxmusl-x64`,
 * `binding.linux-arm64-gnu.node`). What is not for this platform is never loaded here.
 */
import type { Cpu } from './header.ts'

const CPU_WORDS: Readonly<Record<string, Cpu>> = {
  x64: 'x64',
  x86_64: 'x64',
  amd64: 'x64',
  arm64: 'arm64',
  aarch64: 'arm64',
  armv8: 'arm64',
  arm: 'arm',
  armhf: 'arm',
  armv6: 'arm',
  armv7: 'arm',
  armv7l: 'arm',
  ia32: 'ia32',
  i386: 'ia32',
  i686: 'ia32',
  x86: 'ia32',
  riscv64: 'riscv64',
  riscv64gc: 'riscv64',
  ppc64: 'ppc64',
  ppc64le: 'ppc64',
  ppc64el: 'ppc64',
  powerpc64le: 'ppc64',
  s390x: 's390x',
  loong64: 'loong64',
  loongarch64: 'loong64',
  mips: 'other',
  mipsel: 'other',
  mips64el: 'other',
}
const OTHER_SYSTEMS = new Set(
  'android androideabi darwin macos win32 windows freebsd openbsd netbsd sunos aix openharmony'.split(' '),
)
const MUSL_WORDS = new Set(['musl', 'linuxmusl', 'musleabihf', 'muslgnueabihf', 'alpine'])

interface Named {
  readonly cpus: readonly Cpu[]
  readonly otherSystem: boolean
  readonly musl: boolean
}

/**
 * Whether a file is for another platform than Linux with glibc on `cpu`, by its path, and by its own processor where the path alone
 * says too little. `usesMusl`: whether the file itself needs musl.
 */
export function isForeign(path: string, own: { readonly cpu: Cpu; readonly usesMusl: boolean }, cpu: string): boolean {
  // What is in bin/ is meant to be run.
  if (path.startsWith('bin/')) return false
  const folder = /(?:^|\/)prebuilds\/([A-Za-z0-9]+-[A-Za-z0-9+_-]+)\//.exec(path)?.[1]
  const whole = namedIn(path)
  if (folder !== undefined) {
    const { cpus, otherSystem } = namedIn(folder)
    if (otherSystem || whole.musl || (cpus.length > 0 && !cpus.some((c) => c === cpu))) return true
  }
  if (own.cpu !== cpu && (whole.otherSystem || whole.cpus.some((c) => c !== cpu))) return true
  const inPackage = /(?:^|\/)node_modules\//.test(path)
  return (whole.musl && (inPackage || own.usesMusl)) || (whole.otherSystem && inPackage)
}

function namedIn(path: string): Named {
  // Prebuildify writes several processors as "x64+arm64"; "x86_64" is one word.
  const words = path.toLowerCase().split(/[/\-.+@]|_(?!64)/)
  return {
    cpus: words.flatMap((word) => CPU_WORDS[word] ?? []),
    otherSystem: words.some((word) => OTHER_SYSTEMS.has(word)),
    musl: words.some((word) => MUSL_WORDS.has(word)),
  }
}
