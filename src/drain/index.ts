/** The drain kinds. One line each; configuration, JSON Schema and plans follow. */
import { command } from './command.ts'
import type { Drain } from './drain.ts'
import { haproxy } from './haproxy.ts'
import { nginx } from './nginx.ts'

/** Options were parsed by the same kind's schema before they come back to it. */
type AnyDrain = Drain<unknown>

export const drains: readonly AnyDrain[] = [nginx, haproxy, command] as readonly unknown[] as readonly AnyDrain[]

/** The kind of a type; the configuration admits no other. */
export function drainByType(type: string): AnyDrain {
  const drain = drains.find((d) => d.type === type)
  if (!drain) throw new TypeError(`no drain "${type}"`)
  return drain
}
