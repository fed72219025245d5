/** Environment variables of programs on a host, as they are fed to the scripts that read them: see scripts/settings.sh and guard.sh. */
import { ShipError } from '../../errors.ts'

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** A value by its number of lines: nothing of it needs quoting. */
export function lines(value: string): string {
  return `${value.split('\n').length}\n${value}\n`
}

/** Rejects with reason `config` for a name that is none, and for one that our scripts use to read the others. */
export function settingsText(settings: Readonly<Record<string, string>>): string {
  const each = Object.entries(settings).map(([name, value]) => {
    if (!NAME.test(name) || name.startsWith('ship_')) {
      throw new ShipError('config', `"${name}" is not a name for an environment variable`)
    }
    return `${name}\n${lines(value)}`
  })
  return each.join('')
}
