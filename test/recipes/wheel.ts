/** Tiny wheels: zip archives without compression and without the time of day, so that a wheel's digest is always the same. */
import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'

export interface Wheel {
  readonly file: string
  readonly bytes: Buffer
  readonly sha256: string
}

/** 1980-01-01, as zip writes it. */
const DAY = 0x21

export function makeWheel(
  name: string,
  version: string,
  files: Readonly<Record<string, string>>,
  { tag = 'py3-none-any', metadata = [] as readonly string[], entryPoints = '' } = {},
): Wheel {
  const info = `${name}-${version}.dist-info`
  const all: Record<string, string> = {
    ...files,
    [`${info}/METADATA`]: ['Metadata-Version: 2.1', `Name: ${name}`, `Version: ${version}`, ...metadata, ''].join('\n'),
    [`${info}/WHEEL`]: `Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: ${tag}\n`,
    ...(entryPoints === '' ? {} : { [`${info}/entry_points.txt`]: entryPoints }),
  }
  const record = Object.entries(all).map(([path, text]) => `${path},sha256=${digest(text)},${Buffer.byteLength(text)}`)
  const bytes = storedZip({ ...all, [`${info}/RECORD`]: [...record, `${info}/RECORD,,`, ''].join('\n') })
  return { file: `${name}-${version}-${tag}.whl`, bytes, sha256: hash('sha256', bytes) }
}

/** The package of fixtures/python-app/wheels. */
export function greetingWheel(): Wheel {
  const text =
    '"""Greetings."""\n\n\ndef greet(*names):\n    return "hello " + " and ".join(names or ["world"])\n\n\ndef main():\n    print(greet("greeting"))\n'
  const metadata = ['License: MIT', 'Summary: greetings', 'Requires-Dist: colour; extra == "bright"']
  return makeWheel(
    'greeting',
    '1.2.0',
    { 'greeting.py': text },
    { metadata, entryPoints: '[console_scripts]\ngreeting = greeting:main\n' },
  )
}

function digest(text: string): string {
  return Buffer.from(hash('sha256', text), 'hex').toString('base64url')
}

function storedZip(files: Readonly<Record<string, string>>): Buffer {
  const local: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const [path, text] of Object.entries(files)) {
    const [name, content] = [Buffer.from(path), Buffer.from(text)]
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(DAY, 8)
    common.writeUInt32LE(crc32(content), 10)
    common.writeUInt32LE(content.length, 14)
    common.writeUInt32LE(content.length, 18)
    common.writeUInt16LE(name.length, 22)
    const piece = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, name, content])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(0o100644 * 65_536, 6)
    tail.writeUInt32LE(offset, 10)
    // Made by a Unix, so that the mode counts.
    central.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, tail, name]))
    local.push(piece)
    offset += piece.length
  }
  const list = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(central.length, 8)
  end.writeUInt16LE(central.length, 10)
  end.writeUInt32LE(list.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...local, list, end])
}
