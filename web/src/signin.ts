/**
 * A small field for a token, where somebody is told why they cannot go on. It is no dialog: whatever stands on the page
 * stays in sight, so that nobody signs in with their words behind a curtain.
 */
import { element } from './dom.ts'
import { keepToken } from './token.ts'

/** Says why, asks for a token, and resolves once there is one. Whether it is good is for the server to say. */
export function signIn(where: HTMLElement, why: string): Promise<void> {
  return new Promise((resolve) => {
    const field = element('input', {
      id: 'token', type: 'password', name: 'token', required: '', autocomplete: 'off', spellcheck: 'false', placeholder: 'Token',
    })
    const label = element('label', { for: 'token', class: 'unseen' }, 'Token')
    const form = element('form', { class: 'signin' }, label, field, element('button', { type: 'submit', class: 'primary' }, 'Sign in'))
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      const token = field.value.trim()
      if (token === '') return
      keepToken(token)
      where.replaceChildren()
      where.hidden = true
      resolve()
    })
    where.replaceChildren(element('span', {}, why), form)
    where.hidden = false
  })
}
