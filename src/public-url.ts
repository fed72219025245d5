/** URLs as they may be published: an address of something, never a way to get in. */

/** Hosts that serve the same repository under https, however it was cloned. */
const FORGES = new Set(['github.com', 'gitlab.com', 'bitbucket.org', 'codeberg.org'])

const URL_PARTS =
  /^([a-z][a-z0-9+.-]*:\/\/)(?:[^/?#]*@)?((?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d+)?)(?=[/?#]|$)(\/[^?#\s]*)?/i

/** Without user, password, query and fragment: each may hold a secret. Undefined for what is no URL with a host. */
export function publicUrl(text: string): string | undefined {
  const [, scheme, host, path = ''] = URL_PARTS.exec(text) ?? []
  return scheme === undefined || host === undefined ? undefined : `${scheme.toLowerCase()}${host}${path}`
}

/**
 * The remote of a git repository as `git+https://host/path`, the way SLSA and SPDX write it; undefined for a folder of this machine. How
 * a forge was reached does not show, so that everyone's clone of a repository has the same URL.
 */
export function publicRemote(remote: string): string | undefined {
  const text = remote.trim()
  // `git@host:path`, as scp has it; one letter before the colon would be a drive.
  const [, scpHost, scpPath] = /^(?:[^@/:\s]+@)?([^@/:\s]{2,}):(?!\/\/)\/?(\S+)$/.exec(text) ?? []
  const url = scpHost === undefined ? publicUrl(text) : publicUrl(`ssh://${scpHost}/${scpPath ?? ''}`)
  const [, scheme = '', host = '', path = ''] = /^([a-z]+):\/\/([^/]+)(\/.+)$/.exec(url ?? '') ?? []
  if (!['https', 'http', 'ssh', 'git'].includes(scheme)) return undefined
  const name = host.replace(/:\d+$/, '').toLowerCase()
  if (!FORGES.has(name)) return `git+${scheme}://${host}${path}`
  return `git+https://${name}${path.replace(/\/$/, '').replace(/\.git$/, '')}`
}

const USER = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)@/i
/** Parameters that let somebody in, by the names that stores and forges give them. */
const SECRET_PARAMETER =
  /([?&](?:[^=&#]*(?:token|signature|secret|password|credential|auth)[^=&#]*|sig|key|api[_-]?key|access[_-]?key|x-(?:amz|goog)-[^=&#]*)=)[^&#]*/gi

/** The address without passwords and tokens. The user of ssh stays, for it is part of the name. */
export function publicAddress(text: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return text
  return text
    .replace(USER, (_all, scheme: string, user: string) => {
      if (/^https?:/i.test(scheme)) return scheme
      return `${scheme}${user.replace(/:.*$/s, '')}@`
    })
    .replace(SECRET_PARAMETER, '$1***')
}
