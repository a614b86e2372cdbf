/** What the plugin offers while its command line is typed; a shell of its own asks it in plugin-completion.test.ts. */
import { expect } from 'chai';
import { candidates, type Place } from '../../../../operator/src/plugin/completion.ts';
import { COMMANDS } from '../../../../operator/src/plugin/options.ts';

const asked: Place[] = [];
const namesIn = async (place: Place): Promise<readonly string[]> => {
  asked.push(place);
  return await Promise.resolve(['auth-api', 'auth-web', 'billing']);
};
const offered = (...words: readonly string[]): Promise<readonly string[]> => candidates(words, namesIn);

describe('the completion of the plugin', () => {
  it('offers every command, then those that begin so', async () => {
    expect(await offered('')).to.deep.equal(COMMANDS);
    expect(await offered('re')).to.deep.equal(['refuse', 'resume', 'retry', 'records', 'replay']);
  });

  it('offers names where a command takes one, from the place that the line says', async () => {
    asked.length = 0;
    expect(await offered('status', '-n', 'auth', '--context=west', 'auth-')).to.deep.equal(['auth-api', 'auth-web']);
    expect(asked).to.deep.equal([{ namespace: 'auth', context: 'west', kubeconfig: undefined }]);
    expect(await offered('status', 'auth-api', '')).to.deep.equal([]);
    expect(await offered('list', '')).to.deep.equal([]);
    expect(await offered('frob', '')).to.deep.equal([]);
    expect(asked).to.have.length(1);
  });

  it('offers the options of the command, and the values of an option', async () => {
    expect(await offered('status', '--w')).to.deep.equal(['--watch']);
    expect(await offered('list', '--w')).to.deep.equal([]);
    expect(await offered('set-weight', 'auth-api', '7', '--d')).to.deep.equal(['--dry-run']);
    expect(await offered('plan', '--')).to.include.members(['--file', '--failing', '--namespace']);
    expect(await offered('status', 'auth-api', '-o', '')).to.deep.equal(['text', 'json']);
    expect(await offered('status', '--namespace', '')).to.deep.equal([]);
    expect(await offered('completion', '')).to.deep.equal(['bash', 'zsh', 'fish']);
  });
});
