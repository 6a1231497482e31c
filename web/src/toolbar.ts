/** The buttons above rich text: each does one thing to what is selected, and shows whether it is so already. */
import { byId } from './dom.ts'

export interface Tool {
  run(): void
  isOn?(): boolean
}

/** Binds the buttons to tools, each by its `data-tool`. What it gives back shows them anew. */
export function bindToolbar(tools: Record<string, Tool>, mayUse: () => boolean): () => void {
  const buttons = [...byId('tools').querySelectorAll('button')]
  const toolOf = (button: HTMLButtonElement) => tools[button.dataset['tool'] ?? '']!
  const show = () => {
    for (const button of buttons) {
      const { isOn } = toolOf(button)
      button.disabled = !mayUse()
      if (isOn !== undefined) button.setAttribute('aria-pressed', String(isOn()))
    }
  }
  for (const button of buttons) button.addEventListener('click', () => toolOf(button).run())
  show()
  return show
}
