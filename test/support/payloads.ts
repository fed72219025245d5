/** Payloads whose bytes are other ones than were packed. */
import type { Readable } from 'node:stream'
import type { PackedContent, PackedPayload } from '../../src/formats/payload.ts'

/** The same payload, sent as `open` gives it. */
export function sentAs(payload: PackedPayload, open: (content: PackedContent) => Readable): PackedPayload {
  const content = payload.content.then((packed) => ({ ...packed, open: () => open(packed) }))
  return { ...payload, content }
}
