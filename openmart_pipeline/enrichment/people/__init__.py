"""The people in answers: who they are, how they are reached, and how somebody is kept out or taken out again."""
