/** Times and numbers as people read them. The exact time always goes along, in a `<time>` element. */
import { element } from './dom.ts'

const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const EXACT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })
const DAY = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long' })
const COUNT = new Intl.NumberFormat('en')

const STEPS: readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ['year', 31_556_952], ['month', 2_629_746], ['week', 604_800], ['day', 86_400], ['hour', 3600], ['minute', 60],
]

/** `3 minutes ago`, `yesterday`; under a minute `just now`, and so for clocks that run a little ahead. */
export function ago(time: Date, now: Date): string {
  const seconds = (now.getTime() - time.getTime()) / 1000
  const [unit, length] = STEPS.find(([, length]) => seconds >= length) ?? ['second', 0]
  return length === 0 ? 'just now' : RELATIVE.format(-Math.floor(seconds / length), unit)
}

export function exactly(time: Date): string {
  return EXACT.format(time)
}

export function count(number: number): string {
  return COUNT.format(number)
}

export function timeElement(stamp: string, show: (time: Date) => string): HTMLTimeElement {
  const time = new Date(stamp)
  return element('time', { datetime: stamp, title: exactly(time) }, show(time))
}

/** A day as a date field writes it, in words; as it is where it is no such day. */
export function exactDay(day: string): string {
  const time = new Date(`${day}T00:00:00`)
  return Number.isNaN(time.getTime()) ? day : DAY.format(time)
}
