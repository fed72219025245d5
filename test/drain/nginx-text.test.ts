/** Marking servers in the text of an nginx file: nothing but the mark changes, and taking it away gives the same bytes back. */
import { assert, boolean, property, shuffledSubarray, subarray } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { poolsIn, rendered, withServers } from '../../src/drain/nginx-text.ts'

const TEXT = `# upstream fake { server 10.0.0.9:80; }
map $uri $x { default "upstream a { server 10.0.0.9:80; }"; }
map $uri $y { server 10.0.0.9:80; }
upstream shop {
    least_conn;  # server 10.0.0.9:80;
    server 10.0.0.1:80 weight=2;
    server 10.0.0.2:80; # the new one
    server 10.0.0.3:80 down;
    server\t'10.0.0.4:80'
        max_fails=0
        ;
}
upstream api { server 10.0.0.1:80; server 10.0.0.5:80 backup; }
server { listen 80; server_name shop; location / { proxy_pass http://shop; } }
`

const drained = (text: string, ...servers: string[]) => withServers(text, { servers: new Set(servers), to: 'drained' })
const back = (text: string, ...servers: string[]) => withServers(text, { servers: new Set(servers), to: 'in' })
const pool = (text: string, name = 'shop') =>
  Object.fromEntries(poolsIn(text).find((p) => p.name === name)?.servers ?? [])

describe('the servers of a file', () => {
  it('are those of upstream blocks, in every spelling, and no others', () => {
    expect(poolsIn(TEXT).map((p) => p.name)).toEqual(['shop', 'api'])
    expect(pool(TEXT)).toEqual({
      '10.0.0.1:80': 'in',
      '10.0.0.2:80': 'in',
      '10.0.0.3:80': 'out',
      '10.0.0.4:80': 'in',
    })
    expect(pool(TEXT, 'api')).toEqual({ '10.0.0.1:80': 'in', '10.0.0.5:80': 'in' })
    expect(poolsIn(TEXT, 'api')).toHaveLength(1)
  })

  it('are also those of a file that an upstream includes', () => {
    expect(pool('server a:1;\nserver b:1 down;\n', '')).toEqual({ 'a:1': 'in', 'b:1': 'out' })
  })
})

describe('a server that is drained', () => {
  it('is down with a mark, everywhere in the file or in one upstream', () => {
    const text = drained(TEXT, '10.0.0.1:80', '10.0.0.2:80')
    expect(text).toContain('    server 10.0.0.1:80 weight=2 down; # drained by ship\n')
    expect(text).toContain('    server 10.0.0.2:80 down; # drained by ship # the new one\n')
    expect(text).toContain('upstream api { server 10.0.0.1:80 down # drained by ship\n; server 10.0.0.5:80 backup; }')
    expect(pool(text)).toMatchObject({ '10.0.0.1:80': 'drained', '10.0.0.2:80': 'drained', '10.0.0.4:80': 'in' })
    const one = withServers(TEXT, { servers: new Set(['10.0.0.1:80']), to: 'drained', upstream: 'api' })
    expect(pool(one)['10.0.0.1:80']).toBe('in')
    expect(pool(one, 'api')['10.0.0.1:80']).toBe('drained')
  })

  it('is drained once, and what a person took out is neither marked nor put back', () => {
    const text = drained(TEXT, '10.0.0.1:80')
    expect(drained(text, '10.0.0.1:80')).toBe(text)
    expect(drained(TEXT, '10.0.0.3:80')).toBe(TEXT)
    expect(back(TEXT, '10.0.0.3:80')).toBe(TEXT)
  })

  it('comes back with the bytes that were there, whatever was drained in which order', () => {
    const all = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80', '10.0.0.4:80', '10.0.0.5:80', '10.0.0.9:80']
    assert(
      property(subarray(all), shuffledSubarray(all), boolean(), (first, second, crlf) => {
        const text = crlf ? TEXT.replaceAll('\n', '\r\n') : TEXT
        const out = drained(drained(text, ...first), ...second)
        for (const server of [...first, ...second].filter((s) => !s.includes('.3:') && !s.includes('.9:')))
          expect([pool(out)[server], pool(out, 'api')[server]]).toContain('drained')
        expect(back(out, ...first, ...second)).toBe(text)
      }),
    )
  })
})

it('a template has its line once for each server', () => {
  const text = rendered('upstream shop {\n  server {server} weight=3;\n  keepalive 8;\n}\n', ['a:1', 'b:1'])
  expect(text).toBe('upstream shop {\n  server a:1 weight=3;\n  server b:1 weight=3;\n  keepalive 8;\n}\n')
})
