// The one source of chance: a 32-bit generator (mulberry32) started from a seed, and what the
// test draws from it. The same seed gives the same values on every machine and node version.

export class Random {
  constructor (seed) {
    this.state = seed >>> 0
  }

  word () {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  below (limit) {
    return Math.floor(this.word() / 0x100000000 * limit)
  }

  chance (probability) {
    return this.below(10000) < probability * 10000
  }

  pick (list) {
    return list[this.below(list.length)]
  }

  // Nothing moves further than about `reach` places: 1 keeps the order, a huge reach forgets it.
  shuffleNearby (list, reach) {
    const keyed = list.map((item, i) => ({ item, key: i + this.below(reach), i }))
    return keyed.sort((a, b) => a.key - b.key || a.i - b.i).map(({ item }) => item)
  }

  groups (list, largest) {
    const groups = []
    for (let i = 0; i < list.length;) {
      const size = 1 + this.below(largest)
      groups.push(list.slice(i, i + size))
      i += size
    }
    return groups
  }
}
