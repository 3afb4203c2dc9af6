import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import './styles/tokens.css';
import './styles/frame.css';
import './styles/parts.css';
import './styles/pages.css';
import { App } from './app.tsx';
import { interceptLinks } from './router.ts';

interceptLinks();
render(<App />, document.getElementById('app')!);
