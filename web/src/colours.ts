/**
 * The colours that people are told apart by. Each of ours reads with white letters on it (4.5:1 at least, WCAG 1.4.3) and
 * stands out as a thin caret on the page in light and in dark (3:1, WCAG 1.4.11); a test holds them to it. Colours that
 * arrive from elsewhere are strangers' input: whatever is not a plain hex colour is replaced by one of ours.
 */

export type Hex = `#${string}`

export const PALETTE: readonly Hex[] = [
  '#bc4231', '#a85b12', '#7d6c0c', '#4a7a29', '#1f7d5c', '#1c7887', '#2f70b5', '#6a62c4', '#9a52b4', '#b8447f',
]

/** How much of a person's colour is laid under what they have selected. */
const SELECTION_ALPHA = '38'

/** A caret colour that is safe to use: the given one if it is a hex colour, else ours for that number. */
export function safeColour(given: unknown, seed: number): Hex {
  if (typeof given === 'string' && /^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i.test(given)) return long(given)
  return PALETTE[seed % PALETTE.length]!
}

export function selectionColour(colour: Hex): Hex {
  return `${colour}${SELECTION_ALPHA}`
}

/** Black or white, whichever is read more easily on this colour. */
export function inkOn(colour: Hex): Hex {
  return contrast('#ffffff', colour) >= contrast('#000000', colour) ? '#ffffff' : '#000000'
}

/** Contrast ratio as WCAG 2 defines it, from 1 to 21. */
export function contrast(one: Hex, other: Hex): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number]
  return (light + 0.05) / (dark + 0.05)
}

function luminance(colour: Hex): number {
  const [red, green, blue] = [1, 3, 5].map((at) => linear(parseInt(colour.slice(at, at + 2), 16) / 255))
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
}

function linear(channel: number): number {
  return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4
}

function long(hex: string): Hex {
  if (hex.length === 7) return hex.toLowerCase() as Hex
  return `#${[...hex.slice(1)].map((digit) => digit + digit).join('')}`.toLowerCase() as Hex
}
