/** The guard of a host: a process there that goes back by itself unless somebody is in charge. See scripts/guard.sh. */
import { Readable } from 'node:stream'
import { newToken, type Token } from '../../names.ts'
import type { Host, Transport } from '../../transport/transport.ts'
import type { Owner } from '../session.ts'
import { GOING_BACK, type WayBack } from '../way-back.ts'
import { call, scriptText, type CallOptions, type Verb } from './call.ts'
import type { Answer } from './frame.ts'
import { lines, settingsText } from './settings.ts'

type Ask = (verb: Verb, args: readonly string[], options: CallOptions) => Promise<Answer>

/** Starts it under a held lock. */
export async function armGuard(
  ask: Ask,
  { host, owner }: { readonly host: Host; readonly owner: Owner },
  wayBack: WayBack,
  signal: AbortSignal,
): Promise<void> {
  const { afterMs, target, back, record, history, historyBadly, hooks } = wayBack
  // It is a process of the host: whether ship's own one lives says nothing about it.
  const client = { host: host.name, bootId: '', pid: 0, startTime: '' }
  const own: Owner = { ...owner, token: newToken(), client, doing: GOING_BACK, since: new Date().toISOString() }
  const seconds = String(Math.ceil(afterMs / 1000))
  const written = record ? [record.version, JSON.stringify(record)] : ['-', '-']
  const journal = [JSON.stringify(history), JSON.stringify(historyBadly)]
  const told = [own.token, seconds, target, JSON.stringify(own), ...written, ...journal]
  const args = [owner.token, scriptText('guard'), back ?? '-', ...told]
  await ask('arm', args, { signal, stdin: Readable.from([hooks.map(hookText).join('')]) })
}

/** "seconds settings words", then each setting and each word by its number of lines: nothing of it needs quoting. */
function hookText({ argv, env, timeoutMs }: WayBack['hooks'][number]): string {
  return [
    `${Math.ceil(timeoutMs / 1000)} ${Object.keys(env).length} ${argv.length}\n`,
    settingsText(env),
    ...argv.map(lines),
  ].join('')
}

/** Tells a guard again and again that somebody is in charge, over the connection that started it. Stops by the returned function. */
export function holdGuard(transport: Transport, token: Token, afterMs: number): () => void {
  const hold = (): void => {
    // When nothing gets through any more, the guard does what it is for.
    call(transport, 'hold', [token], { signal: AbortSignal.timeout(afterMs) }).catch(() => undefined)
  }
  const timer = setInterval(hold, afterMs / 4)
  timer.unref()
  return () => clearInterval(timer)
}
