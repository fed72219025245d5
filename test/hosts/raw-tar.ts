/** Tar archives byte by byte: whatever a header can hold, also what no sane writer would put there. */
import { gzipSync } from 'node:zlib'

export interface RawEntry {
  /** Bytes of the name field; a name too long for it goes into a record before it. */
  readonly name: string | Buffer
  /** Type flag: '0' file, '1' hard link, '2' link, '3' and '4' devices, '5' folder, '6' pipe, 'x' and 'g' settings, 'L' long name. */
  readonly type?: string
  readonly mode?: number
  readonly link?: string | Buffer
  readonly content?: string | Buffer
  /** Said instead of the content's true size; `-1`: negative, in binary. */
  readonly size?: number
  readonly wrongChecksum?: boolean
}

const BLOCK = 512

export function rawTar(entries: readonly RawEntry[], end: Buffer = Buffer.alloc(2 * BLOCK)): Buffer {
  return Buffer.concat([...entries.map(entryBytes), end])
}

export function rawTarGz(entries: readonly RawEntry[], end?: Buffer): Buffer {
  return gzipSync(rawTar(entries, end))
}

function entryBytes(entry: RawEntry): Buffer {
  const { type = '0', mode = 0o644, link = '', content = '' } = entry
  const name = Buffer.from(entry.name)
  const target = Buffer.from(link)
  const body = Buffer.from(content)
  const header = Buffer.alloc(BLOCK)
  name.copy(header, 0, 0, 100)
  header.write(`${mode.toString(8).padStart(7, '0')}\0`, 100)
  header.write('0000000\0'.repeat(2), 108)
  writeSize(header, entry.size ?? body.length)
  header.write('14524704000\0', 136)
  header.write('        ', 148)
  header.write(type, 156)
  target.copy(header, 157, 0, 100)
  header.write('ustar  \0', 257)
  const sum = header.reduce((all, byte) => all + byte, 0) + (entry.wrongChecksum === true ? 1 : 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const long = [
    ...(name.length > 100 ? [record('L', name)] : []),
    ...(target.length > 100 ? [record('K', target)] : []),
  ]
  return Buffer.concat([...long, header, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)])
}

function record(type: string, text: Buffer): Buffer {
  return entryBytes({ name: '././@LongLink', type, content: Buffer.concat([text, Buffer.alloc(1)]) })
}

function writeSize(header: Buffer, size: number): void {
  if (size >= 0 && size < 8 ** 11) header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  else {
    header[124] = size < 0 ? 0xff : 0x80
    header.fill(size < 0 ? 0xff : 0, 125, 128)
    header.writeBigInt64BE(BigInt(size), 128)
  }
}
