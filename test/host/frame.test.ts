/** Answers of a host are whole or none, whatever else is printed around them. */
import { expect, it } from 'vitest'
import { newMarker, valuesOf } from '../../src/host/shell/frame.ts'
import { parseAnswer } from '../support/frames.ts'

const marker = newMarker()

it('an answer without its end is none', () => {
  const text = `${marker} current absent\n${marker} disk 12\n`
  expect(parseAnswer(text, marker)).toBeUndefined()
  expect(parseAnswer('', marker)).toBeUndefined()
  expect(parseAnswer(`${text}${marker} end ok`, marker)).toBeUndefined()
  expect(parseAnswer(`${text}${marker} end ok \n`, marker)).toMatchObject({ end: 'ok' })
})

it('what a login shell prints, before, between and behind, is no part of it', () => {
  const text = `Welcome!\n${marker} record a b  c\nlast login\n${marker}x end locked no\n ${marker}- end locked no\nno line end${marker} disk 12\n${marker} end write disk \u001b[31mfull\nbye\n`
  const answer = parseAnswer(text, marker)
  expect(answer).toMatchObject({ end: 'write', reason: 'disk \\x1b[31mfull' })
  expect(answer && valuesOf(answer, 'record')).toEqual(['a b  c'])
  expect(answer && valuesOf(answer, 'disk')).toEqual(['12'])
})

it('a line beyond all measure is passed over', () => {
  expect(parseAnswer(`${marker} record ${'x'.repeat(100_000)}\n${marker} end ok\n`, marker)).toEqual({
    values: [],
    end: 'ok',
    reason: '',
  })
})
