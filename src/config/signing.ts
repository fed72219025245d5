/** What the configuration says of signatures: with what to sign, whose signature counts, and where one is needed. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { inherited } from './inheritance.ts'
import type { Project } from './load.ts'

/** With what a build signs; undefined: not at all. `file` is absolute. */
export function signingKey({
  config,
  dir,
}: Project): { readonly file: string; readonly namespace: string } | undefined {
  const { sign } = config.build
  return sign && { file: fromProject(dir, sign.key), namespace: sign.namespace }
}

/** Whose signatures count; undefined when nobody was named. `file` is absolute. */
export function signersOf({ config, dir }: Project): { readonly file: string; readonly namespace: string } | undefined {
  if (config.signers === undefined) return undefined
  return { file: fromProject(dir, config.signers), namespace: config.build.sign?.namespace ?? 'file' }
}

/** Whether releases need a signature: to this environment, or without a name to any. */
export function needsSignature({ config }: Project, environment?: string): boolean {
  const names = environment === undefined ? Object.keys(config.environments) : [environment]
  const own = names.map((name) => inherited(config.environments, name)?.sign ?? config.release.sign)
  return [...own, ...(environment === undefined ? [config.release.sign] : [])].includes('required')
}

function fromProject(dir: string, path: string): string {
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : resolve(dir, path)
}
