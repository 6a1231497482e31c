// Sets of Yjs ids as sorted, joined ranges per client, read from updates without a document:
// the independent measure of what an update brings and of what a state holds.
import * as Y from 'yjs'

export class Ids {
  constructor () {
    this.clients = new Map()
  }

  static insertedIn (update) {
    const ids = new Ids()
    for (const struct of Y.decodeUpdate(update).structs) {
      if (struct.constructor.name !== 'Skip') ids.insert(struct.id.client, struct.id.clock, struct.length)
    }
    return ids
  }

  static deletedIn (update) {
    const ids = new Ids()
    Y.decodeUpdate(update).ds.clients.forEach((ranges, client) => {
      ranges.forEach(({ clock, len }) => ids.insert(client, clock, len))
    })
    return ids
  }

  insert (client, start, length) {
    const ranges = [...(this.clients.get(client) ?? []), [start, start + length]].sort((a, b) => a[0] - b[0])
    const joined = []
    for (const [from, to] of ranges) {
      const last = joined.at(-1)
      if (last && from <= last[1]) last[1] = Math.max(last[1], to)
      else joined.push([from, to])
    }
    this.clients.set(client, joined)
  }

  add (other) {
    other.clients.forEach((ranges, client) => ranges.forEach(([from, to]) => this.insert(client, from, to - from)))
  }

  holds (other) {
    return [...other.clients].every(([client, ranges]) => {
      const mine = this.clients.get(client) ?? []
      return ranges.every(([from, to]) => mine.some(range => range[0] <= from && to <= range[1]))
    })
  }

  plain () {
    return Object.fromEntries([...this.clients].sort((a, b) => a[0] - b[0]))
  }
}
