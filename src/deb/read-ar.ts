/** Reads the container of a .deb strictly: the members that ship writes, in their order, and nothing behind them. */
import { open } from 'node:fs/promises'
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import type { Extent } from '../formats/read-tar.ts'

const MAGIC = '!<arch>\n'
const HEADER = /^([A-Za-z0-9._-]{1,15})\/? *(\d+) *(\d+) *(\d+) *([0-7]+) *(\d+) *`\n$/
const HEADER_BYTES = 60

export interface DebMembers {
  readonly control: Extent
  readonly data: Extent
  /** Of the data archive's name: `.gz`; empty when it is not compressed. */
  readonly extension: string
}

/** Where control and data lie. Rejects (reason `refused`) what is no .deb of this kind. */
export async function readMembers(file: string): Promise<DebMembers> {
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const at = async (start: number, length: number): Promise<string> => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, start)
      if (bytesRead < length) throw refused('ends too early')
      return buffer.toString('latin1')
    }
    if ((await at(0, MAGIC.length)) !== MAGIC) throw refused('is no .deb')
    const members: (Extent & { readonly name: string })[] = []
    for (let offset = MAGIC.length; offset < size;) {
      const fields = HEADER.exec(await at(offset, HEADER_BYTES))
      if (!fields) throw refused('has a member without a header')
      const member = { name: fields[1] ?? '', start: offset + HEADER_BYTES, size: Number(fields[6]) }
      offset = member.start + member.size + (member.size % 2)
      if (offset > size) throw refused('ends too early')
      members.push(member)
    }
    const [version, control, data, ...more] = members
    if (more[0]) throw refused(`has a member "${escapeControls(more[0].name)}" behind its data`)
    const isDeb = version?.name === 'debian-binary' && control?.name === 'control.tar.gz'
    const [, extension] = /^data\.tar(\.gz|\.xz|\.zst|)$/.exec(data?.name ?? '') ?? []
    if (!isDeb || !data || extension === undefined) throw refused('has other members than a .deb of ship')
    if ((await at(version.start, version.size)) !== '2.0\n') throw refused('is of another version of the format')
    return { control, data, extension }
  } finally {
    await handle.close()
  }
}

function refused(what: string): ShipError {
  return new ShipError('refused', `the package ${what}`)
}
