/** What scripts do for services, users and folders: debhelper's autoscripts (dh_installsystemd, -sysusers, -tmpfiles), unit by unit. */
import { quote } from '../shell.ts'
import type { PackageFacts } from './facts.ts'
import { stateFolders, unitName, type ServiceSpec } from './service.ts'
import { sysusersText } from './users.ts'

/** Shell texts by moment; empty where there is nothing to do. */
export interface ServiceScripts {
  /** postinst, before the switch: users and folders. */
  readonly setUp: readonly string[]
  /** postinst, last: enable, start or restart. */
  readonly start: readonly string[]
  /** prerm. */
  readonly stop: readonly string[]
  /** postrm. */
  readonly forget: readonly string[]
}

const INSTALLED = 'configure|abort-upgrade|abort-deconfigure|abort-remove'
const BOOTED = '[ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]'
const RELOAD = 'systemctl --system daemon-reload >/dev/null || true'

export function serviceScripts(facts: PackageFacts): ServiceScripts {
  const { services } = facts
  const units = services.map((service) => quote(unitName(service)))
  return {
    setUp: setUp(facts),
    start:
      services.length === 0
        ? []
        : [`case $1 in\n${INSTALLED})\n${services.map(enable).join('')}${start(services)};;\nesac\n`],
    stop: stop(services),
    forget: services.length === 0 ? [] : [forget(units, stateFolders(services))],
  }
}

function setUp(facts: PackageFacts): readonly string[] {
  const file = quote(`${facts.package}.conf`)
  const lines: string[] = []
  if (sysusersText(facts) !== undefined) lines.push(`systemd-sysusers \${DPKG_ROOT:+--root="$DPKG_ROOT"} ${file}\n`)
  if (facts.tmpfiles !== undefined) {
    lines.push(`systemd-tmpfiles \${DPKG_ROOT:+--root="$DPKG_ROOT"} --create ${file} >/dev/null || true\n`)
  }
  return lines.length === 0 ? [] : [`case $1 in\n${INSTALLED})\n${lines.join('')};;\nesac\n`]
}

/** `was-enabled` is true on a first installation; later it is what the administrator left. */
function enable(service: ServiceSpec): string {
  const unit = quote(unitName(service))
  const call = (verb: string): string => `deb-systemd-helper ${verb} ${unit} >/dev/null || true\n`
  if (service.enable ?? true) {
    return `# A removal before may have masked it.
${call('unmask')}if deb-systemd-helper --quiet was-enabled ${unit}; then
  ${call('enable')}else
  ${call('update-state')}fi
`
  }
  return `if deb-systemd-helper debian-installed ${unit}; then
  ${call('unmask')}  if deb-systemd-helper --quiet was-enabled ${unit}; then
    ${call('enable')}  fi
fi
${call('update-state')}`
}

function start(services: readonly ServiceSpec[]): string {
  const lines = services.map((service) => {
    const unit = quote(unitName(service))
    const invoke = (verb: string): string => `deb-systemd-invoke ${verb} ${unit} >/dev/null || true`
    const restarts = service.restartAfterUpgrade ?? true
    if (service.start ?? true) {
      return restarts
        ? `  if [ -n "\${2:-}" ]; then ${invoke('restart')}; else ${invoke('start')}; fi\n`
        : `  ${invoke('start')}\n`
    }
    return restarts ? `  if [ -n "\${2:-}" ]; then ${invoke('try-restart')}; fi\n` : ''
  })
  return `if ${BOOTED}; then\n  ${RELOAD}\n${lines.join('')}fi\n`
}

function stop(services: readonly ServiceSpec[]): readonly string[] {
  const all = services.map((service) => quote(unitName(service)))
  const early = services.filter((s) => s.restartAfterUpgrade === false).map((service) => quote(unitName(service)))
  const rule = (action: string, units: readonly string[]): readonly string[] =>
    units.length === 0
      ? []
      : [
          `if [ "$1" = ${action} ] && ${BOOTED}; then\n  deb-systemd-invoke stop ${units.join(' ')} >/dev/null || true\nfi\n`,
        ]
  return [...rule('remove', all), ...rule('upgrade', early)]
}

/** State and cache folders go with purge only; their data is the service's own. */
function forget(units: readonly string[], folders: readonly string[]): string {
  const data = folders.map(
    (folder) =>
      `  rm -rf "\${DPKG_ROOT:-}"${quote(folder)} "\${DPKG_ROOT:-}"${quote(folder.replace('/var/lib/', '/var/lib/private/'))}\n`,
  )
  return `if [ "$1" = remove ] && ${BOOTED}; then
  ${RELOAD}
fi
if [ "$1" = purge ]; then
  if [ -x /usr/bin/deb-systemd-helper ]; then
    deb-systemd-helper purge ${units.join(' ')} >/dev/null || true
  fi
${data.join('')}fi
`
}
