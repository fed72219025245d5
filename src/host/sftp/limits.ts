/** What ship cannot promise on a host without a shell, by what its SFTP server offers. docs/hosts.md, "SFTP only", says the same at length. */
import type { Requests } from './requests.ts'

/** One clause each, for a warning. */
export function limitsOf({ offers }: Pick<Requests, 'offers'>): string[] {
  return [
    'no hooks and no exec checks can run',
    'a release in use by a process is pruned like any other',
    'a cut upload starts anew',
    'whether a bundle fits the platform is not known',
    offers('fsync@openssh.com')
      ? 'on disk after a power cut is what fsync@openssh.com brought there'
      : 'nothing is known to be on disk after a power cut (no fsync@openssh.com)',
    ...(offers('copy-data') ? [] : ['every release is sent whole (no copy-data)']),
    ...(offers('lsetstat@openssh.com') ? [] : ['links carry the time of their upload (no lsetstat@openssh.com)']),
    ...(offers('statvfs@openssh.com') ? [] : ['free space is not known (no statvfs@openssh.com)']),
  ]
}
