import type { StoreId } from '@ashlar/core';
import type { Adoption, ConnectionInfo, Selection } from './messages.ts';

export class Connections {
  adopt(_adoption: Adoption): void {}
  list(): readonly ConnectionInfo[] {
    return [];
  }
  disconnect(_selection: Selection): number {
    return 0;
  }
  resized(_storeId: StoreId): void {}
  async drain(_timeoutMs: number): Promise<number> {
    return 0;
  }
}
