import { maxOffset, type BlockDevice } from '@ashlar/core';
import { largestPayload } from '@ashlar/wire';
import { command, commandFlag, errorCode } from '../codec/constants.ts';
import type { RequestHead } from '../codec/request.ts';
import type { Negotiated } from './negotiation.ts';

/** Flags that each command may have (proto.md, "Command flags"). */
function allowedFlags(type: number, replies: Negotiated['replies']): number {
  const payload = replies === 'extended' ? commandFlag.payloadLength : 0;
  switch (type) {
    case command.read:
      return commandFlag.fua | (replies === 'simple' ? 0 : commandFlag.df);
    case command.write:
      return commandFlag.fua | payload;
    case command.writeZeroes:
      return commandFlag.fua | commandFlag.noHole | commandFlag.fastZero;
    case command.trim:
      return commandFlag.fua;
    case command.blockStatus:
      return commandFlag.fua | commandFlag.reqOne | payload;
    default:
      return commandFlag.fua;
  }
}

function writes(type: number): boolean {
  return type === command.write || type === command.trim || type === command.writeZeroes;
}

/** The wire's error for a request that must not reach the device, 0 where it may. `mayResize`: clients may change the size. */
export function checkRequest(
  head: RequestHead,
  device: BlockDevice,
  readOnly: boolean,
  negotiated: Negotiated,
  mayResize: boolean,
): number {
  const { type, flags, offset, length } = head;
  const last = mayResize ? command.resize : command.blockStatus;
  if (type > last || type === command.disconnect) return errorCode.EINVAL;
  if ((flags & ~allowedFlags(type, negotiated.replies)) !== 0) return errorCode.EINVAL;
  if (type === command.flush) return offset === 0 && length === 0 ? 0 : errorCode.EINVAL;
  // The offset is the new size; the length says nothing.
  if (type === command.resize) return offset <= maxOffset ? 0 : errorCode.ENOSPC;
  if (writes(type) && readOnly) return errorCode.EPERM;
  // With extended headers a write without the flag carries nothing.
  if (type === command.write && negotiated.replies === 'extended' && (flags & commandFlag.payloadLength) === 0) {
    return errorCode.EINVAL;
  }
  if (type === command.blockStatus && negotiated.contexts.length === 0) return errorCode.EINVAL;
  if (type === command.blockStatus && length === 0) return errorCode.EINVAL;
  const { minimum, maximum } = device.blockSizes;
  const most = Math.min(maximum, largestPayload);
  if ((type === command.read || type === command.write) && length > most) return errorCode.EINVAL;
  if (!(offset + length <= device.sizeBytes)) {
    return type === command.write || type === command.writeZeroes ? errorCode.ENOSPC : errorCode.EINVAL;
  }
  if (offset % minimum !== 0 || length % minimum !== 0) return errorCode.EINVAL;
  const fast = (flags & commandFlag.fastZero) !== 0;
  return fast && device.capabilities.fastZero !== 'native' ? errorCode.ENOTSUP : 0;
}
