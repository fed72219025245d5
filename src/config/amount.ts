/** Numbers of hosts as people write them: `3`, or a share such as "25%". */
import { z } from 'zod'
import { parseShare } from '../units.ts'

export type Amount = { readonly hosts: number } | { readonly share: number }

/** A share in binary may be a hair too large or too small: 7% of 100 hosts are 7, not 8. */
const HAIR = 1e-9

const shareText = z.string().refine((text) => parseShare(text) !== undefined, 'is not a share; write "25%"')

/** One host or more in the configuration. */
export const someHosts = z.union([z.int().min(1), shareText])

/** Any number of hosts in the configuration, none too. */
export const anyHosts = z.union([z.int().min(0), shareText])

/** What was checked by one of the schemas above. */
export function amountOf(value: number | string): Amount {
  return typeof value === 'number' ? { hosts: value } : { share: parseShare(value) ?? 1 }
}

/** Hosts of `total`, never more than that. A share is rounded up, so it is no empty group. */
export function roundedUp(amount: Amount, total: number): number {
  return Math.min(total, 'hosts' in amount ? amount.hosts : Math.max(1, Math.ceil(total * amount.share - HAIR)))
}

/** Hosts of `total`, never more than that. A share is rounded down: what may go wrong is never more than was said. */
export function roundedDown(amount: Amount, total: number): number {
  return Math.min(total, 'hosts' in amount ? amount.hosts : Math.floor(total * amount.share + HAIR))
}
