/** A project that is built and signed, with keys by the real ssh-keygen. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { ship, type ShipOptions, type ShipResult } from '../support/cli.ts'
import { generateKey } from '../support/keys.ts'

/** What the tests of signatures need; without it they are skipped, and preflight says so. */
export const HAS_SSH_KEYGEN = ['/usr/bin', '/usr/local/bin', '/bin'].some((folder) =>
  existsSync(join(folder, 'ssh-keygen')),
)

export interface TrustShop {
  readonly dir: string
  /** Fingerprints of the keys `release` (among the signers) and `foreign` (not among them). */
  readonly fingerprints: { readonly release: string; readonly foreign: string }
  path(name: string): string
  dist(name: string): string
  read(name: string): string
  write(files: Readonly<Record<string, string>>): void
  configure(build?: Readonly<Record<string, unknown>>, more?: Readonly<Record<string, unknown>>): void
  ship(args: string, code?: number, options?: ShipOptions): Promise<ShipResult>
  dispose(): void
}

export const SIGNER = 'release@shop.example'

/** Sources, the keys `keys/release` and `keys/foreign`, and the file `signers` that lists the first. */
export function makeTrustShop(): TrustShop {
  const dir = mkdtempSync(join(tmpdir(), 'ship-trust-'))
  const path = (name: string): string => join(dir, name)
  const shop: TrustShop = {
    dir,
    fingerprints: { release: key(path('keys/release')), foreign: key(path('keys/foreign')) },
    path,
    dist: (name) => join(dir, 'dist', name),
    read: (name) => readFileSync(join(dir, 'dist', name), 'utf8'),
    write(files) {
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(path(name)), { recursive: true })
        writeFileSync(path(name), content)
      }
    },
    configure(build = {}, more = {}) {
      const config = { name: 'shop', version: '1.0.0', signers: 'signers', build: { from: 'app', ...build }, ...more }
      writeFileSync(path('ship.config.json'), JSON.stringify(config))
    },
    async ship(args, code = 0, options = {}) {
      const result = await ship(args, { cwd: dir, ...options })
      expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
      return result
    },
    dispose: () => rmSync(dir, { recursive: true, force: true }),
  }
  shop.write({ 'app/a.txt': 'a\n', 'app/b.txt': 'b\n', signers: `${SIGNER} ${publicKey(path('keys/release'))}\n` })
  shop.configure({ sign: { key: 'keys/release' } })
  return shop
}

export function publicKey(file: string): string {
  return readFileSync(`${file}.pub`, 'utf8').trim()
}

/** Makes a key; answers its fingerprint as ssh-keygen tells it. */
export function key(file: string, passphrase = ''): string {
  mkdirSync(dirname(file), { recursive: true })
  generateKey(file, { passphrase })
  return keygen(['-l', '-f', `${file}.pub`]).stdout.split(' ')[1] ?? ''
}

export function keygen(args: readonly string[], input = ''): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('ssh-keygen', args, { encoding: 'utf8', input })
}
