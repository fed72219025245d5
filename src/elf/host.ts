/** What every host with glibc has, and nobody puts into a tree: the C library's parts, the loader, and the runtimes of gcc. */
import picomatch from 'picomatch'

/** Files of glibc, of libgcc-s1 and of libstdc++6 (Debian names), which come with the base of each distribution. */
const ALWAYS = `
  libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libresolv.so.2 libutil.so.1 libnsl.so.1 libanl.so.1 libcrypt.so.1
  libmvec.so.1 libthread_db.so.1 libBrokenLocale.so.1 libc_malloc_debug.so.0 libnss_*.so.2 libgcc_s.so.1 libstdc++.so.6
  ld-linux*.so.* ld64.so.* linux-vdso*.so.* linux-gate.so.*
`
  .trim()
  .split(/\s+/)

/** Loaders by processor, from the ABI supplements and glibc's own list (`ldconfig.h of each processor`). */
const LOADERS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  x64: ['/lib64/ld-linux-x86-64.so.2'],
  arm64: ['/lib/ld-linux-aarch64.so.1'],
  arm: ['/lib/ld-linux-armhf.so.3', '/lib/ld-linux.so.3'],
  ia32: ['/lib/ld-linux.so.2'],
  riscv64: ['/lib/ld-linux-riscv64-lp64d.so.1', '/lib/ld-linux-riscv64-lp64.so.1'],
  ppc64: ['/lib64/ld64.so.2', '/lib64/ld64.so.1'],
  s390x: ['/lib/ld64.so.1'],
  loong64: ['/lib64/ld-linux-loongarch-lp64d.so.1'],
}
const MUSL_LIBRARY = /^(?:libc\.musl-.*\.so\.1|ld-musl-.*\.so\.1)$/

/** Whether the host may give a library: one of the base, of `allowed` (names or patterns), or musl's where it is wanted. */
export function hostLibraries(allowed: readonly string[], musl: boolean): (library: string) => boolean {
  const known = picomatch([...ALWAYS, ...allowed].map(escapePlus))
  return (library) => known(library) || (musl && MUSL_LIBRARY.test(library))
}

/** The usual loader of a processor; undefined for one without a known loader. */
export function usualLoader(cpu: string): string | undefined {
  return LOADERS[cpu]?.[0]
}

export function isUsualLoader(interpreter: string, cpu: string): boolean {
  // On merged systems both folders are the same, and some build tools write the other one.
  const name = interpreter.replace(/^\/usr\//, '/')
  return LOADERS[cpu]?.includes(name) ?? false
}

export function isMuslLoader(interpreter: string): boolean {
  return /^\/lib\/ld-musl-[a-z0-9_-]+\.so\.1$/.test(interpreter)
}

/** Whether a file is made for musl, by its loader or its C library. */
export function usesMusl(elf: {
  readonly interpreter?: string | undefined
  readonly needed: readonly string[]
}): boolean {
  return (
    (elf.interpreter !== undefined && isMuslLoader(elf.interpreter)) || elf.needed.some((n) => MUSL_LIBRARY.test(n))
  )
}

/** In a pattern "++" would stand for a repetition; in the name of a library it is meant. */
function escapePlus(pattern: string): string {
  return pattern.replaceAll('+', String.raw`\+`)
}
