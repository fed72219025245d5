/** What an author wrote as a license, as CycloneDX wants it told. */
import parse from 'spdx-expression-parse'

/** One entry of `licenses`: an SPDX id, an SPDX expression, or a name that is neither. */
export type License =
  | { readonly license: { readonly id: string } }
  | { readonly license: { readonly name: string } }
  | { readonly expression: string }

/** Undefined when there is nothing to tell. An id is one of the SPDX list; an expression is written the way SPDX writes it. */
export function licenseOf(text: string): License | undefined {
  const name = text.trim()
  if (name === '') return undefined
  const parsed = parsedExpression(name)
  if (parsed === undefined) return { license: { name } }
  const isId = 'license' in parsed && parsed.plus !== true && parsed.exception === undefined
  if (isId && !/^(?:LicenseRef|DocumentRef)-/.test(parsed.license)) return { license: { id: parsed.license } }
  return { expression: written(parsed) }
}

function parsedExpression(text: string): parse.Info | undefined {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}

/** Operators in capitals, and brackets only where the order of precedence needs them. */
function written(info: parse.Info): string {
  if ('license' in info) {
    const { license, plus, exception } = info
    return `${license}${plus === true ? '+' : ''}${exception === undefined ? '' : ` WITH ${exception}`}`
  }
  const { left, right, conjunction } = info
  const side = (inner: parse.Info): string =>
    conjunction === 'and' && 'conjunction' in inner && inner.conjunction === 'or'
      ? `(${written(inner)})`
      : written(inner)
  return `${side(left)} ${conjunction.toUpperCase()} ${side(right)}`
}
