import { beforeEach, expect, test, vi } from 'vitest'
import { currentToken, forgetToken, keepToken, socketOptions, takeToken, tokenHeaders } from './token.ts'

let storage: Map<string, string>
let address: string

/** A page at an address, in a tab of its own. */
function open(at: string): void {
  address = at
  const url = new URL(at, 'http://quire.example')
  vi.stubGlobal('location', { hash: url.hash, pathname: url.pathname, search: url.search })
}

beforeEach(() => {
  storage = new Map()
  vi.stubGlobal('sessionStorage', {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => storage.set(key, value),
    removeItem: (key: string) => storage.delete(key),
  })
  vi.stubGlobal('history', { state: null, replaceState: (_state: unknown, _title: string, at: string) => (address = at) })
  forgetToken()
})

test('a token is taken out of the address, and nothing else is', () => {
  open('/edit?document=a#token=e30.e30.s&line=3')
  takeToken()
  expect(currentToken()).toBe('e30.e30.s')
  expect(address).toBe('/edit?document=a#line=3')
  open('/edit?document=a#token=other')
  takeToken()
  expect([currentToken(), address]).toEqual(['other', '/edit?document=a'])
})

test('an address without a token is left alone, and an empty one takes nothing away', () => {
  keepToken('t')
  open('/#line=3')
  takeToken()
  expect([currentToken(), address]).toEqual(['t', '/#line=3'])
  open('/#token=')
  takeToken()
  expect([currentToken(), address]).toEqual(['t', '/'])
})

test('where storage is refused, a token lasts as long as the page', () => {
  const refuse = () => {
    throw new Error('refused')
  }
  vi.stubGlobal('sessionStorage', { getItem: refuse, setItem: refuse, removeItem: refuse })
  expect(currentToken()).toBeNull()
  keepToken('t')
  expect(currentToken()).toBe('t')
  forgetToken()
  expect(currentToken()).toBeNull()
})

test('a token is shown in a header to the API, and as a subprotocol to sockets', () => {
  expect(tokenHeaders('a.b-c_d')).toEqual({ Authorization: 'Bearer a.b-c_d' })
  expect(socketOptions('a.b-c_d')).toEqual({ protocols: ['quire', 'quire-token-a.b-c_d'], params: {} })
  expect([tokenHeaders(null), socketOptions(null)]).toEqual([{}, { protocols: [], params: {} }])
})

test('what no subprotocol may hold goes into the address', () => {
  for (const token of ['two words', 'a/b', 'é']) expect(socketOptions(token)).toEqual({ protocols: [], params: { token } })
})
