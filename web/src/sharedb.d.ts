/** What these pages use of ShareDB's client and of its rich text type, which come without types of their own. */

declare module 'sharedb/lib/client' {
  export type Source = unknown

  interface Events {
    on(event: string, listener: (...args: any[]) => void): this
    off(event: string, listener: (...args: any[]) => void): this
  }

  export interface Failure {
    message: string
    code?: string
  }

  type Done = (failure?: Failure | null) => void

  export interface Doc extends Events {
    readonly connection: Connection
    readonly collection: string
    readonly id: string
    readonly version: number | null
    /** None while there is no such document. */
    readonly type: { name: string; uri: string } | null
    readonly data: any
    readonly subscribed: boolean
    subscribe(done: Done): void
    create(data: unknown, type: string, done: Done): void
    submitOp(op: unknown, options?: { source: Source }): void
    /** Whether something that was written here is not acknowledged. */
    hasWritePending(): boolean
  }

  export interface LocalPresence extends Events {
    submit(value: unknown, done?: Done): void
  }

  export interface Presence extends Events {
    subscribe(done?: Done): void
    unsubscribe(done?: Done): void
    create(id: string): LocalPresence
  }

  export type State = 'connecting' | 'connected' | 'disconnected' | 'closed' | 'stopped'

  export class Connection implements Events {
    constructor(socket: WebSocket)
    readonly state: State
    readonly socket: WebSocket
    bindToSocket(socket: WebSocket): void
    close(): void
    ping(): void
    get(collection: string, id: string): Doc
    getPresence(channel: string): Presence
    getDocPresence(collection: string, id: string): Presence
    on(event: string, listener: (...args: any[]) => void): this
    off(event: string, listener: (...args: any[]) => void): this
  }

  export interface OtType {
    name: string
    uri: string
    apply(snapshot: any, op: any): any
    transform(op: any, other: any, side: 'left' | 'right'): any
  }

  export const types: { register(type: OtType): void; map: Record<string, OtType> }
}

declare module 'rich-text' {
  export const type: import('sharedb/lib/client').OtType
}
