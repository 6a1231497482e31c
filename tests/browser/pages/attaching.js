/** The same where a provider is to be attached to a socket that it does not own, as from version 3 on. */
import { one, other } from './multiplexing.js'

one.attach()
other.attach()

export { one, other }
