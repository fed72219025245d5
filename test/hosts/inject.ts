/** Makes the faults of a schedule come about while its command runs. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ShipResult } from '../support/cli.ts'
import { BEFORE, NEXT, type Lane, type LaneHost } from './lane.ts'
import type { Command, Fault, Moment, Schedule, Slot } from './schedule.ts'

export const ARGS: Readonly<Record<Command, string>> = {
  release: `release ${NEXT} --yes`,
  rollback: 'rollback --yes',
  'catch-up': 'release --catch-up --yes',
  prune: 'prune --yes',
  unlock: 'unlock --yes',
  pin: `pin ${BEFORE}`,
}
/** No run takes longer, whatever happens to it: keep-alives give a dead line up after 20 s. */
export const LONGEST_MS = 90_000
export class Injector {
  readonly injected: string[] = []
  readonly others: { readonly command: Command; readonly result: Promise<ShipResult> }[] = []
  readonly #lane: Lane
  readonly #schedule: Schedule
  #ended = false

  constructor(lane: Lane, schedule: Schedule) {
    this.#lane = lane
    this.#schedule = schedule
  }

  async run(ended?: () => void): Promise<ShipResult> {
    const { command, faults, slots } = this.#schedule
    for (const slot of slots) this.#host(slot)?.relay?.reset()
    let kill: (signal: NodeJS.Signals) => void = () => undefined
    const waiting = new Set<Fault>()
    for (const fault of faults) {
      if (fault.kind === 'gate' || fault.kind === 'hook') this.injected.push(fault.kind)
      else if (fault.kind === 'link' && 'way' in fault.at) {
        this.#host(fault.slot)?.relay?.after(fault.at.way, fault.at.bytes, fault.trouble)
        this.injected.push(`${fault.trouble} at a byte`)
        this.#thawLater(fault, 1000)
      } else if (fault.kind === 'ghost')
        this.#host(fault.slot)?.relay?.after('up', fault.bytes, 'freeze', () => {
          this.injected.push('ghost')
          // What it sent meanwhile waits on the line.
          setTimeout(() => kill('SIGKILL'), 200)
        })
      else waiting.add(fault)
    }
    const limit = limited()
    const result = await this.#lane.ship(ARGS[command], 'relay', {
      ...limit,
      onStart: (child) => {
        kill = (signal) => child.kill(signal)
        limit.onStart(child)
      },
      onLine: (line) => {
        for (const fault of waiting) {
          if (!('at' in fault) || 'way' in fault.at || !isAt(fault.at, line)) continue
          waiting.delete(fault)
          setTimeout(() => this.#inject(fault, (signal) => kill(signal)), fault.at.delayMs)
        }
      },
    })
    this.#ended = true
    ended?.()
    for (const slot of slots) this.#host(slot)?.relay?.reset()
    return result
  }

  makeRoom(): void {
    for (const slot of this.#schedule.slots) this.#host(slot)?.free()
  }

  /** Lines that are still frozen go on, and what was held up on them gets through, to its end. */
  async awaken(): Promise<void> {
    for (const slot of this.#schedule.slots) this.#host(slot)?.relay?.thaw()
    for (const slot of this.#schedule.slots) {
      const until = performance.now() + 20_000
      while ((this.#host(slot)?.sshd?.processes() ?? 0) > 0 && performance.now() < until) await sleep(20)
    }
  }

  #thawLater(fault: Fault & { kind: 'link' }, moreMs = 0): void {
    const { slot, trouble, thawMs } = fault
    if (trouble !== 'freeze' || thawMs === undefined) return
    setTimeout(() => {
      if (!this.#ended) this.#host(slot)?.relay?.thaw()
    }, moreMs + thawMs).unref()
  }

  #host(slot: Slot): LaneHost | undefined {
    return this.#lane.hosts.get(slot)
  }

  #inject(fault: Fault, kill: (signal: NodeJS.Signals) => void): void {
    if (this.#ended) return
    this.injected.push(fault.kind === 'signal' ? fault.signal : fault.kind === 'link' ? fault.trouble : fault.kind)
    if (fault.kind === 'signal') kill(fault.signal)
    else if (fault.kind === 'link') {
      this.#host(fault.slot)?.relay?.now(fault.trouble)
      this.#thawLater(fault)
    } else if (fault.kind === 'session') void this.#host(fault.slot)?.sshd?.cut()
    else if (fault.kind === 'disk') this.#host(fault.slot)?.fill()
    else if (fault.kind === 'second')
      this.others.push({
        command: fault.command,
        result: this.#lane.ship(ARGS[fault.command], 'direct', limited()),
      })
  }
}

function isAt({ event, step }: Moment, line: string): boolean {
  return line.includes(`"event":"${event}","step":"${step}"`)
}

/** Options of a run that is ended when it takes longer than any may. */
export function limited(): { onStart(child: { kill(signal: NodeJS.Signals): void }): void } {
  return { onStart: (child) => void setTimeout(() => child.kill('SIGABRT'), LONGEST_MS).unref() }
}
