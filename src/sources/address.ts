/** Addresses of sources: what of them may be written down and shown, and how they are asked with the rest. */
import { publicAddress } from '../public-url.ts'
import type { Source } from '../recipe.ts'

/** The source as it stands in `ship.lock` and in what is shipped. */
export function publicSource(source: Source): Source {
  const clean = (value: unknown): unknown => {
    if (typeof value === 'string') return publicAddress(value)
    return Array.isArray(value) ? value.map(clean) : value
  }
  return Object.fromEntries(Object.entries(source).map(([key, value]) => [key, clean(value)])) as unknown as Source
}

/** `fetch` refuses addresses with a password: it goes into a header. */
export function requestOf(address: string): {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
} {
  const url = new URL(address)
  const { username, password } = url
  if (username === '' && password === '') return { url: address, headers: {} }
  url.username = ''
  url.password = ''
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { url: url.href, headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` } }
}
