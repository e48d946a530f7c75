import type { TestFn } from 'ava';
import { dataTests } from './block-device/data-tests.ts';
import { limitTests } from './block-device/limit-tests.ts';
import { modelTests } from './block-device/model-tests.ts';
import { orderTests } from './block-device/order-tests.ts';
import { spaceTests } from './block-device/space-tests.ts';
import { deviceTest, type DeviceSubject } from './block-device/subject.ts';

/**
 * Proves that a kind of device keeps what the BlockDevice interface promises. Called from a test file of its own package;
 * `name` begins each test's title. What a device says that it cannot do must answer `unsupported`.
 */
export function blockDeviceContract(test: TestFn, name: string, subject: DeviceSubject): void {
  const check = deviceTest(test, name, subject);
  dataTests(check);
  spaceTests(check);
  orderTests(check);
  limitTests(check);
  modelTests(check);
}
