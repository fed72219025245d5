/** Where a text value stands in a JSON file, so that it can be changed and every other byte stays. */

export interface Span {
  readonly start: number
  readonly end: number
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g

interface Frame {
  readonly object: boolean
  key: string
  /** Between a colon and the comma after it: a string here is a value. */
  value: boolean
}

/**
 * The quoted value at a path of keys, quotes included; undefined when there is none or it is no string. `text` is known to be JSON. Of
 * two equal keys the last one counts, as it does for every reader.
 */
export function stringAt(text: string, path: readonly string[]): Span | undefined {
  const frames: Frame[] = []
  let found: Span | undefined
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const top = frames.at(-1)
    if (token === '{' || token === '[') frames.push({ object: token === '{', key: '', value: false })
    else if (token === '}' || token === ']') frames.pop()
    else if (token === ':' && top) top.value = true
    else if (token === ',' && top) top.value = false
    else if (token.startsWith('"') && top?.object === true) {
      if (!top.value) top.key = String(JSON.parse(token))
      else if (matches(frames, path)) found = { start: index, end: index + token.length }
    }
  }
  return found
}

function matches(frames: readonly Frame[], path: readonly string[]): boolean {
  return frames.length === path.length && frames.every((f, i) => f.object && f.key === path[i])
}
