/** The package in dpkg's books, on a host that gets packages. */
export interface DebState {
  /** left: removed, its settings are still there. broken: an installation did not get to its end. */
  readonly status: 'absent' | 'left' | 'installed' | 'broken'
  /** Debian's version, of what is installed or was to be. */
  readonly version: string | undefined
  /** Somebody forbade dpkg to change it. */
  readonly onHold: boolean
  /** Whether there is apt-get, and whether programs can be run as root without a password. */
  readonly apt: boolean
  readonly asRoot: boolean
}
