/** The gate kinds. One line each; configuration, JSON Schema and tests follow. */
import { exec } from './exec.ts'
import type { Gate } from './gate.ts'
import { http } from './http.ts'
import { systemd } from './systemd.ts'
import { tcp } from './tcp.ts'

/** Options were parsed by the same gate's schema before they come back to it. */
type AnyGate = Gate<unknown>

export const gates: readonly AnyGate[] = [http, tcp, exec, systemd] as readonly unknown[] as readonly AnyGate[]

/** The gate of a kind; the configuration admits no other. */
export function gateByKey(key: string): AnyGate {
  const gate = gates.find((g) => g.key === key)
  if (!gate) throw new TypeError(`no gate "${key}"`)
  return gate
}
