/**
 * Who is at a board, by the stock presence of automerge-repo. States have the same fields as those of the other editors, so the
 * same faces and carets are drawn of them. Of the others all is forgotten when the connection is lost, and we say again who
 * we are when it is back.
 */
import { Presence, type DocHandle, type PeerId } from '@automerge/automerge-repo/slim'
import type { Changed, Company } from './cursors.ts'
import type { PresenceState } from './desk.ts'

/** Our own number; others get theirs in the order in which they are first heard of. */
const ME = 0

type Listener = (changed: Changed) => void

export class Gathering implements Company {
  readonly clientID = ME
  #mine: PresenceState = {}
  #states = new Map<number, PresenceState>([[ME, this.#mine]])
  readonly #numbers = new Map<PeerId, number>()
  readonly #listeners = new Set<Listener>()
  #presence: Presence<PresenceState> | null = null

  getStates(): ReadonlyMap<number, PresenceState> {
    return this.#states
  }

  on(_event: 'change', listener: Listener): void {
    this.#listeners.add(listener)
  }

  off(_event: 'change', listener: Listener): void {
    this.#listeners.delete(listener)
  }

  setLocalStateField(field: string, value: unknown): void {
    this.#mine = { ...this.#mine, [field]: value }
    this.#presence?.broadcast(field, value)
    this.#changed({ added: [], updated: [ME], removed: [] })
  }

  /** Says who we are to all who have this document open, and hears who they are. */
  enter(handle: DocHandle<unknown>): void {
    this.leave()
    const presence = new Presence<PresenceState>({ handle })
    this.#presence = presence
    const spoke = ({ peerId }: { peerId: PeerId }) => this.#changed({ added: [], updated: [this.#numberOf(peerId)], removed: [] })
    const left = (...peers: PeerId[]) => this.#changed({ added: [], updated: [], removed: peers.map((peer) => this.#numberOf(peer)) })
    presence.on('update', spoke)
    presence.on('snapshot', spoke)
    presence.on('goodbye', ({ peerId }) => left(peerId))
    presence.on('pruning', ({ pruned }) => left(...pruned))
    presence.start({ initialState: this.#mine })
  }

  /** Says goodbye if anybody can hear it. */
  leave(): void {
    this.#presence?.stop()
    this.#presence = null
    this.#changed({ added: [], updated: [], removed: [...this.#states.keys()].filter((number) => number !== ME) })
  }

  #changed(changed: Changed): void {
    const others = Object.values(this.#presence?.getPeerStates().value ?? {})
    this.#states = new Map([[ME, this.#mine], ...others.map(({ peerId, value }) => [this.#numberOf(peerId), value] as const)])
    for (const listener of this.#listeners) listener(changed)
  }

  #numberOf(peer: PeerId): number {
    const number = this.#numbers.get(peer) ?? this.#numbers.size + 1
    this.#numbers.set(peer, number)
    return number
  }
}
