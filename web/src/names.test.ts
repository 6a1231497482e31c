import { expect, test } from 'vitest'
import { documentName, nameProblem, personName } from './names.ts'

test('names are friendly, and every one of them can be part of an address', () => {
  for (let step = 0; step < 1000; step += 1) {
    const chance = () => (step % 100) / 100
    expect(documentName(chance)).toMatch(/^[a-z]+-[a-z]+-[1-9][0-9]$/)
    expect(personName(chance)).toMatch(/^[A-Z][a-z]+ [A-Z][a-z]+$/)
  }
})

test('the last of each list can be reached, and nothing beyond it', () => {
  expect(documentName(() => 0.999999)).toBe('warm-vellum-99')
  expect(personName(() => 0.999999)).toBe('Warm Wren')
})

test.each([['notes'], ['a/b c?#ü🌊'], ['...'], [' x ']])('%j is a name', (name) => {
  expect(nameProblem(name)).toBeNull()
})

test.each([[''], ['  '], ['.'], ['..'], ['a\nb'], ['\u0000'], ['\u0085']])('%j is not a name, and we say why', (name) => {
  expect(nameProblem(name)).toMatch(/\.$/)
})
