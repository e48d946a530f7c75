import test from 'ava';
import { shrink } from './shrink.ts';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
const most = 10_000;

test('what is left is what it takes to fail, in its order', async (t) => {
  const needed = [3, 77, 78, 190];
  const fails = async (items: readonly number[]): Promise<boolean> => needed.every((item) => items.includes(item));
  const { items, tries } = await shrink(numbers(200), fails, most);
  t.deepEqual(items, needed);
  t.true(tries < 200);
});

test('where any of several is enough one is left', async (t) => {
  const fails = async (items: readonly number[]): Promise<boolean> => items.some((item) => item % 10 === 0);
  const { items } = await shrink(numbers(100), fails, most);
  t.is(items.length, 1);
});

test('what fails without anything is cut to nothing, and what needs all of it stays', async (t) => {
  t.deepEqual((await shrink(numbers(50), async () => true, most)).items, []);
  t.deepEqual((await shrink(numbers(7), async (items) => items.length === 7, most)).items, numbers(7));
});

test('it stops after so many tries, with something that fails', async (t) => {
  const fails = async (items: readonly number[]): Promise<boolean> => items.includes(1) && items.includes(100);
  const { items, tries } = await shrink(numbers(100), fails, 5);
  t.is(tries, 5);
  t.true(await fails(items));
  t.true(items.length < 100);
});
