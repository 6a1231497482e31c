import { expect, test } from 'vitest'
import { contrast, inkOn, PALETTE, safeColour } from './colours.ts'

test('contrast is what WCAG says it is', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5)
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.478, 2)
  expect(contrast('#ffffff', '#777777')).toBe(contrast('#777777', '#ffffff'))
})

test.each(PALETTE)('%s carries white letters and stands out on the page, light or dark', (colour) => {
  expect(contrast('#ffffff', colour)).toBeGreaterThanOrEqual(4.5)
  expect(inkOn(colour)).toBe('#ffffff')
  expect(contrast(colour, '#fffdf9')).toBeGreaterThanOrEqual(3)
  expect(contrast(colour, '#1d1b17')).toBeGreaterThanOrEqual(3)
})

test('letters can be read on any colour that others choose', () => {
  for (let value = 0; value < 0x1000000; value += 4099) {
    const colour = safeColour(`#${value.toString(16).padStart(6, '0')}`, 0)
    expect(contrast(inkOn(colour), colour)).toBeGreaterThanOrEqual(4.5)
  }
})

test('hex colours pass, written out', () => {
  expect(safeColour('#30BCED', 0)).toBe('#30bced')
  expect(safeColour('#0fA', 0)).toBe('#00ffaa')
})

test.each([[undefined], [7], ['red'], ['#12'], ['#30bced; position: fixed'], ['url(x)']])('%j becomes one of ours', (given) => {
  expect(PALETTE).toContain(safeColour(given, 4_294_967_295))
})
