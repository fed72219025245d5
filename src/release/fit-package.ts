/** Can a host take packages, or archives where it had packages? Every refusal of that is worded here. Pure. */
import { ShipError } from '../errors.ts'
import type { DebState } from '../host/deb-state.ts'
import type { DebFile, HostState, ReleaseRecord } from '../host/session.ts'
import type { Host } from '../transport/transport.ts'
import { liveRecord } from './observe.ts'

const UNTOUCHED = 'nothing was changed on any host'

/** Why a host cannot take part by the form of what is released; `target`: the package that is to be released, if one is. */
export function formProblem(host: Host, state: HostState, target: DebFile | undefined): ShipError | undefined {
  if (host.deb) return state.withoutShell ? noPrograms() : debProblem(host, state, target)
  if (state.otherForm === undefined) return undefined
  return new ShipError('refused', `the app is on this host as the package "${state.otherForm}"`, {
    state: UNTOUCHED,
    next: [
      'to go on with packages: release: { format: "deb" }',
      `to go over to archives, on the host, once: apt-get remove ${state.otherForm}`,
    ],
  })
}

/** Whether what the host keeps under a version is another package than the one that is released. */
export function isOtherPackage(record: ReleaseRecord, target: DebFile | undefined): boolean {
  return target !== undefined && record.deb?.sha256 !== target.sha256
}

function noPrograms(): ShipError {
  return new ShipError('not-switched', 'the host gives its files by SFTP and runs no programs, so nothing installs', {
    state: UNTOUCHED,
    next: ['give the deploy user a shell, or release archives to this host: release: { format: "archive" }'],
  })
}

function debProblem({ deployTo }: Host, state: HostState, target: DebFile | undefined): ShipError | undefined {
  const { deb } = state
  if (deb?.apt !== true) {
    return new ShipError('not-switched', 'the host has no apt-get: packages are for Debian and what comes of it', {
      state: UNTOUCHED,
      next: ['release archives to this host: release: { format: "archive" }'],
    })
  }
  if (!deb.asRoot) {
    return new ShipError('not-switched', 'the deploy user is not root and may not use sudo without a password', {
      state: UNTOUCHED,
      next: ['on the host, as root: echo "<deploy user> ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/<deploy user>'],
    })
  }
  if (state.otherForm !== undefined) {
    const runs = state.otherForm === '' ? '' : `, current leads to ${state.otherForm}`
    return new ShipError('refused', `the app is on this host as unpacked archives${runs}`, {
      state: UNTOUCHED,
      next: [
        `to go over to packages, on the host, once, when the app is stopped: mv ${deployTo} ${deployTo}.archives`,
        'to go on with archives: release: { format: "archive" }',
      ],
    })
  }
  return debStateProblem(deb, state, target, deployTo)
}

function debStateProblem(
  deb: DebState,
  state: HostState,
  target: DebFile | undefined,
  deployTo: string,
): ShipError | undefined {
  const name = deployTo.slice(deployTo.lastIndexOf('/') + 1)
  if (deb.onHold) {
    return new ShipError('refused', `the package "${name}" is on hold on this host`, {
      state: UNTOUCHED,
      next: [`if it may be changed, on the host: apt-mark unhold ${name}`],
    })
  }
  const isStrange = deb.status === 'installed' && !liveRecord(state) && target?.version !== deb.version
  if (!isStrange) return undefined
  return new ShipError('refused', `the package "${name}" ${deb.version ?? ''} was installed by somebody else`, {
    state: UNTOUCHED,
    details: ['ship keeps no .deb of it, so there would be no way back'],
    next: ['release that very version first, which ship then keeps: ship release VERSION'],
  })
}
