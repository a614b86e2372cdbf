/** The dashboards as the charts ship them. That each query finds something is shown on the real cluster: test/e2e/dashboards.test.ts. */
import { expect } from 'chai';
import { z } from 'zod';
import { BOARDS } from '../../../k8s/dashboards/boards.ts';
import { render } from './helm.ts';

const placeShape = z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() });
const boardShape = z.looseObject({
  title: z.string(),
  panels: z.array(
    z.looseObject({ title: z.string(), gridPos: placeShape, targets: z.array(z.looseObject({ expr: z.string() })) }),
  ),
});
const configMapShape = z.looseObject({ data: z.record(z.string(), z.string()) });

describe('the dashboards', () => {
  for (const chart of ['latchkey', 'latchkey-operator'] as const)
    it(`of the chart ${chart} are there when they are asked for, every panel in a place of its own`, async () => {
      expect((await render(chart)).filter(({ kind }) => kind === 'ConfigMap')).to.deep.equal([]);
      const objects = await render(chart, { dashboard: { enabled: true } });
      const [configMap] = objects.filter(({ kind }) => kind === 'ConfigMap');
      expect(configMap?.metadata.labels).to.include({ grafana_dashboard: '1' });
      const [text = ''] = Object.values(configMapShape.parse(configMap).data);
      const { panels } = boardShape.parse(JSON.parse(text));
      const board = BOARDS[`charts/${chart}/files/dashboard.json`];
      expect(panels.map(({ title }) => title)).to.deep.equal(board?.panels.map(({ title }) => title));
      const taken = panels.flatMap(({ gridPos: { x, y, w } }) => Array.from({ length: w }, (_, i) => `${x + i},${y}`));
      expect(new Set(taken).size).to.equal(taken.length);
      for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).to.be.at.most(24);
    });
});
