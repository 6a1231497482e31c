import { documentIdToBinary } from '@automerge/automerge-repo/slim'
import { expect, test } from 'vitest'
import { boardAddressOf } from './boardids.ts'

test('a name is the beginning of its SHA-256, for everybody', async () => {
  const { id, title } = boardAddressOf('Überlegungen / Entwurf?')
  expect(title).toBe('Überlegungen / Entwurf?')
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('Überlegungen / Entwurf?'))
  expect([...documentIdToBinary(id)!]).toEqual([...new Uint8Array(hash, 0, 16)])
  expect(boardAddressOf('amber-margin-37').id).not.toBe(id)
})

test('an id, and an address, stand for themselves', () => {
  const id = '4NMNnkMhL8jXrdJ9jamS58PAVdXu'
  expect(boardAddressOf(id)).toEqual({ id, title: null })
  expect(boardAddressOf(`automerge:${id}`)).toEqual({ id, title: null })
})
